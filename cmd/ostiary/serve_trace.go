package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/tracing"
)

// traceFlags say what is told to a collector of OpenTelemetry.
type traceFlags struct {
	endpoint string
	sample   share
	ca       string // file
	headers  []string
}

func (t *traceFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.endpoint, "trace-otlp-endpoint", "", "URL of a collector that takes traces by OTLP over gRPC, as https://HOST:4317, or http:// for one without TLS (empty: nothing is traced)")
	f.Var(&t.sample, "trace-sample", "share of requests that are traced, 0 to 1, of those that do not belong to a trace yet: others are traced if their trace is")
	f.StringVar(&t.ca, "trace-otlp-ca", "", "file with the certificates that the collector's is judged by, PEM (without: those of the machine)")
	f.StringSliceVar(&t.headers, "trace-otlp-headers", nil, "headers for the collector, NAME=VALUE with commas between: set them by the variable or in the file of settings")
	fromEnv(f, "trace-otlp-endpoint", "trace-sample", "trace-otlp-ca", "trace-otlp-headers")
	annotate(f, "trace-otlp-headers", secretAnnotation, "true")
}

// share is a part of one. It is a pflag.Value.
type share float64

func (s *share) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= 1) {
		return fmt.Errorf("%q is not a share from 0 to 1", text)
	}
	*s = share(n)
	return nil
}

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

func (*share) Type() string { return "share" }

// judge returns what a tracer needs, and nil where nothing is traced.
func (t traceFlags) judge(logger *slog.Logger) (*tracing.Options, error) {
	if t.endpoint == "" {
		if t.sample > 0 || t.ca != "" || len(t.headers) > 0 {
			return nil, usagef("--trace-sample, --trace-otlp-ca and --trace-otlp-headers need --trace-otlp-endpoint: where do traces go?")
		}
		return nil, nil
	}
	u, err := url.Parse(t.endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--trace-otlp-endpoint is not https://HOST:PORT or http://HOST:PORT")
	}
	port := u.Port()
	if port == "" {
		port = "4317" // OTLP's own
	}
	node, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this node in traces: %w", err)
	}
	o := &tracing.Options{Endpoint: net.JoinHostPort(u.Hostname(), port), Sample: float64(t.sample), Headers: map[string]string{},
		Version: readBuildInfo().Version, Node: node, Logger: logger}
	for i, header := range t.headers {
		name, value, ok := strings.Cut(header, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isHeaderByte(r) }) {
			return nil, usagef("--trace-otlp-headers: part %d is not NAME=VALUE", i+1) // it may be a secret: it is not shown
		}
		o.Headers[name] = strings.TrimSpace(value)
	}
	switch {
	case u.Scheme == "https":
		o.TLS, err = collectorTLS(t.ca)
	case t.ca != "":
		err = errors.New("the collector is asked without TLS: begin --trace-otlp-endpoint with https://")
	}
	if err != nil {
		return nil, usagef("--trace-otlp-ca: %v", err)
	}
	return o, nil
}

// isHeaderByte says what may stand in the names of gRPC's metadata.
func isHeaderByte(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
}

func collectorTLS(file string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return c, nil
}

// openTracer returns the tracer of a node, and what closes it. Both do nothing where nothing is traced.
func openTracer(o *tracing.Options, logger *slog.Logger) (tracer *tracing.Tracer, end func(), err error) {
	if o == nil {
		return nil, func() {}, nil
	}
	tracer, err = tracing.New(*o)
	if err != nil {
		return nil, nil, err
	}
	return tracer, func() {
		if err := tracer.Close(); err != nil {
			logger.Warn("the last spans may be lost", "error", err)
		}
	}, nil
}
