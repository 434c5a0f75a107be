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
	err := metrics.Counts(i.registry,
		metrics.Count{
			Name: "ostiary_api_connections", Help: "Connections of gRPC and HTTP.", Gauge: true,
			Value: func() float64 { return float64(server.Connections().Open) },
		},
		refused("total", func(n api.ConnectionCounts) uint64 { return n.RefusedTotal }),
		refused("address", func(n api.ConnectionCounts) uint64 { return n.RefusedAddress }),
		metrics.Count{
			Name: "ostiary_api_throttled_total", Help: "Requests refused since their caller asked too often.",
			Value: func() float64 { return float64(server.Connections().RequestsTooOften) },
		},
	)
	if err != nil {
		return fmt.Errorf("register metrics of connections: %w", err)
	}
	return nil
}
