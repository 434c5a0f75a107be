package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/internal/reload"
	"github.com/ostiary/ostiary/raftstore"
)

// nodeTLS is what a node shows of itself on its listeners, and the files that it reads again.
type nodeTLS struct {
	shown
	callers *reload.Authorities // of certificates that name callers; nil: none do
	cluster *reload.Pair        // what raftstore shows: read here too, to tell of it; may be nil
	files   []*reload.Files     // all that is read again
	every   time.Duration       // how often; 0: reload.Pause
}

// openNodeTLS reads the certificates of a node.
func (flags serveFlags) openNodeTLS(o *nodeOptions) (err error) {
	if o.tls.shown, o.tls.files, err = flags.tls.judge(o.logger); err != nil {
		return err
	}
	if s := o.cluster.Security; s != (raftstore.Security{}) && !s.PlainText && s.CertFile != "" && s.KeyFile != "" {
		if o.tls.cluster, err = reload.OpenPair("certificate", s.CertFile, s.KeyFile, nil); err != nil { // raftstore logs it
			return usagef("--cluster-cert, --cluster-key: %v", err)
		}
		o.tls.files = append(o.tls.files, o.tls.cluster.Files)
	}
	return nil
}

// keep reads files again until ctx ends.
func (t nodeTLS) keep(ctx context.Context) {
	reload.KeepAll(ctx, cmp.Or(t.every, reload.Pause), t.files)
}

// watchTLS registers when certificates end, and how many files cannot be used.
func (i *instruments) watchTLS(t nodeTLS) error {
	var counts []metrics.Count
	for listener, pair := range map[string]*reload.Pair{"grpc": t.grpc, "http": t.http, "admin": t.admin, "cluster": t.cluster} {
		counts = append(counts, metrics.Count{
			Name: "ostiary_tls_certificate_expiry_timestamp_seconds", Help: "When the certificate of a listener ends, in seconds since 1970; 0: it has none.",
			Labels: map[string]string{"listener": listener}, Gauge: true, Value: func() float64 { return expiry(pair) },
		})
	}
	counts = append(counts, metrics.Count{
		Name: "ostiary_node_files_at_fault", Help: "Groups of files (a certificate with its key, keys of callers) that changed and cannot be used.", Gauge: true,
		Value: func() float64 {
			n := 0
			for _, f := range t.files {
				if f.Fault() != nil {
					n++
				}
			}
			return float64(n)
		},
	})
	if err := metrics.Counts(i.registry, counts...); err != nil {
		return fmt.Errorf("register metrics of certificates: %w", err)
	}
	return nil
}

func expiry(pair *reload.Pair) float64 {
	if pair == nil {
		return 0
	}
	return float64(pair.Certificate().Leaf.NotAfter.Unix())
}

// api returns what the API is told of certificates.
func (t nodeTLS) api() api.TLS {
	o := api.TLS{GRPC: serverTLS(t.grpc), HTTP: serverTLS(t.http)}
	if t.callers != nil {
		o.ClientCAs = t.callers.Pool
	}
	return o
}

// tlsListener returns a listener whose connections show a pair; nil: the listener itself.
func tlsListener(listener net.Listener, pair *reload.Pair) net.Listener {
	if pair == nil {
		return listener
	}
	config := serverTLS(pair)
	config.NextProtos = []string{"http/1.1"}
	return tls.NewListener(listener, config)
}
