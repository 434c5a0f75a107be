package metrics

import (
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	goprometheus "github.com/hashicorp/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// raftExpiration is how long what the Raft library measured is shown when it does not come again.
const raftExpiration = time.Minute

// Raft registers what the Raft library measures (raft_…: commit, apply and append times, elections, heartbeats). The
// library has one place for it in a process: of several nodes in one, the last that asks gets them all.
func Raft(r prometheus.Registerer) error {
	sink, err := goprometheus.NewPrometheusSinkFrom(goprometheus.PrometheusOpts{
		Registerer: r, Expiration: raftExpiration, Name: "ostiary_raft_library",
	})
	if err != nil {
		return err
	}
	config := gometrics.DefaultConfig("")
	config.EnableHostname, config.EnableRuntimeMetrics, config.TimerGranularity = false, false, time.Second
	_, err = gometrics.NewGlobal(config, sink)
	return err
}
