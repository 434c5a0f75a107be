package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/scim"
)

// defaultAdminAddr is where metrics and profiles are, as long as --admin-addr says nothing else.
const defaultAdminAddr = "127.0.0.1:2112"

// instruments is what a node measures of itself.
type instruments struct {
	registry *prometheus.Registry
	requests *metrics.Requests
	asked    *metrics.Questions
	scim     *metrics.SCIM
	gtr      *metrics.GTR
	signals  *metrics.Signals
}

// newInstruments registers what is measured without a store.
func newInstruments() (*instruments, error) {
	registry := prometheus.NewRegistry()
	requests, err := metrics.NewRequests(registry, api.ObservedMethods())
	var asked *metrics.Questions
	if err == nil {
		asked, err = metrics.NewQuestions(registry, api.Results(), api.Kinds())
	}
	var ofSCIM *metrics.SCIM
	if err == nil {
		ofSCIM, err = metrics.NewSCIM(registry, scim.Reasons())
	}
	var ofGTR *metrics.GTR
	if err == nil {
		ofGTR, err = metrics.NewGTR(registry)
	}
	var ofSignals *metrics.Signals
	if err == nil {
		ofSignals, err = metrics.NewSignals(registry)
	}
	if err == nil {
		build := readBuildInfo()
		err = metrics.Process(registry, build.Version, build.Revision)
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &instruments{registry: registry, requests: requests, asked: asked, scim: ofSCIM, gtr: ofGTR, signals: ofSignals}, nil
}

// watchGates registers how many stores have their gate off.
func (i *instruments) watchGates(server *api.Server) error {
	err := metrics.Counts(i.registry, metrics.Count{
		Name: "ostiary_identity_gate_off", Help: "Stores whose gate is off.", Gauge: true,
		Value: func() float64 {
			all, err := server.Identity().GatesOff(context.Background())
			if err != nil {
				return math.NaN()
			}
			return float64(len(all))
		},
	})
	if err != nil {
		return fmt.Errorf("register metrics of gates: %w", err)
	}
	return nil
}

// handler serves the metrics, Go's profiles and how the node stands. It is for operators: it asks nobody who they are.
func (i *instruments) handler(n *node) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/raft", n.debugRaft)
	mux.HandleFunc("GET /debug/cache", n.debugCache)
	mux.Handle("GET /metrics", promhttp.HandlerFor(i.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", programName)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// maxAdminHeader bounds what operators send.
const maxAdminHeader = 64 << 10

// adminDrain is what a scrape under way has when the node stops.
const adminDrain = time.Second

// serveAdmin serves the handler until ctx ends. A failure is logged: metrics do not stop a node.
func serveAdmin(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxAdminHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("admin listener failed", "error", err)
		}
	}()
	select {
	case <-ctx.Done():
	case <-served:
	}
	bounded, cancel := context.WithTimeout(context.Background(), adminDrain)
	defer cancel()
	if server.Shutdown(bounded) != nil {
		server.Close()
	}
	<-served
}

// listenAdmin listens on the address for operators; an empty one is none. The default is no reason for a
// node not to start where another program has the port: it says so and goes on.
func listenAdmin(address string, chosen bool, logger *slog.Logger) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener, nil
	}
	if chosen {
		return nil, fmt.Errorf("listen for metrics (--admin-addr): %w", err)
	}
	logger.Warn("no metrics: the default address is taken; choose another with --admin-addr", "address", address, "error", err)
	return nil, nil
}
