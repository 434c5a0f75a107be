package main

import (
	"fmt"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/api/metrics"
)

// watchConnections registers the connections of a server, and what was refused for its bounds.
func (i *instruments) watchConnections(server *api.Server) error {
	refused := func(bound string, value func(api.ConnectionCounts) uint64) metrics.Count {
		return metrics.Count{
			Name: "ostiary_api_connections_refused_total", Help: "Connections closed at once, by the bound that they were above.",
			Labels: map[string]string{"bound": bound}, Value: func() float64 { return float64(value(server.Connections())) },
		}
	}
	above := func(what string, value func(api.ConnectionCounts) uint64) metrics.Count {
		return metrics.Count{
			Name: "ostiary_api_callers_refused_total", Help: "Requests refused since their caller, or all, have as many under way as may be, by what of.",
			Labels: map[string]string{"of": what}, Value: func() float64 { return float64(value(server.Connections())) },
		}
	}
	err := metrics.Counts(i.registry,
		metrics.Count{
			Name: "ostiary_api_connections", Help: "Connections of gRPC and HTTP.", Gauge: true,
			Value: func() float64 { return float64(server.Connections().Open) },
		},
		refused("total", func(n api.ConnectionCounts) uint64 { return n.RefusedTotal }),
		refused("address", func(n api.ConnectionCounts) uint64 { return n.RefusedAddress }),
		metrics.Count{
			Name: "ostiary_api_streams", Help: "Streams that callers have open.", Gauge: true,
			Value: func() float64 { return float64(server.Connections().Streams) },
		},
		above("streams", func(n api.ConnectionCounts) uint64 { return n.RefusedStreams }),
		above("audit", func(n api.ConnectionCounts) uint64 { return n.RefusedFollows }),
		above("blast_radius", func(n api.ConnectionCounts) uint64 { return n.RefusedBlasts }),
		metrics.Count{
			Name: "ostiary_api_throttled_total", Help: "Requests refused since their caller asked too often.",
			Value: func() float64 { return float64(server.Connections().RequestsTooOften) },
		},
		metrics.Count{
			Name: "ostiary_api_store_throttled_total", Help: "Requests refused since their store gets too many.",
			Value: func() float64 { return float64(server.Connections().StoresTooOften) },
		},
	)
	if err != nil {
		return fmt.Errorf("register metrics of connections: %w", err)
	}
	return nil
}
