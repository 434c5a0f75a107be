package main

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/internal/reload"
)

// tlsFlags say with which certificates the server listens. One pair serves every listener; OpenFGA's names set one
// listener apart.
type tlsFlags struct {
	pair              pairFlags
	grpc, http, admin listenerTLSFlags
}

type pairFlags struct{ cert, key string }

// listenerTLSFlags are those of one listener.
type listenerTLSFlags struct {
	enabled choice
	pair    pairFlags // instead of that of every listener
}

// choice is a truth that may be left open.
type choice struct{ set, value bool }

func (c *choice) Set(text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("it is neither true nor false")
	}
	c.set, c.value = true, value
	return nil
}

func (c *choice) String() string {
	if !c.set {
		return ""
	}
	return strconv.FormatBool(c.value)
}

func (*choice) Type() string { return "bool" }

func (t *tlsFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.pair.cert, "tls-cert", "", "file with the certificate for gRPC, HTTP and --admin-addr, PEM; read again when it changes")
	f.StringVar(&t.pair.key, "tls-key", "", "file with the key of --tls-cert, PEM")
	fromEnv(f, "tls-cert", "tls-key")
	for _, listener := range []struct {
		name, words string
		flags       *listenerTLSFlags
		ownPair     bool
	}{{"grpc", "gRPC", &t.grpc, true}, {"http", "HTTP", &t.http, true}, {"admin", "--admin-addr", &t.admin, false}} {
		enabled := listener.name + "-tls-enabled"
		f.Var(&listener.flags.enabled, enabled, "TLS for "+listener.words+" (without: where there is a certificate)")
		f.Lookup(enabled).NoOptDefVal = "true"
		fromEnv(f, enabled)
		if listener.ownPair {
			cert, key := listener.name+"-tls-cert", listener.name+"-tls-key"
			f.StringVar(&listener.flags.pair.cert, cert, "", "file with the certificate for "+listener.words+" alone, PEM")
			f.StringVar(&listener.flags.pair.key, key, "", "file with the key of --"+cert+", PEM")
			fromEnv(f, cert, key)
		}
	}
}

// shown are the pairs of the listeners of a server.
type shown struct {
	grpc, http, admin *reload.Pair // nil: plain text
}

// judge reads the pairs.
func (t tlsFlags) judge(logger *slog.Logger) (s shown, files []*reload.Files, err error) {
	read := map[pairFlags]*reload.Pair{}
	var faults []error
	for _, listener := range []struct {
		name  string
		flags listenerTLSFlags
		into  **reload.Pair
	}{{"grpc", t.grpc, &s.grpc}, {"http", t.http, &s.http}, {"admin", t.admin, &s.admin}} {
		which, err := listener.flags.choose(listener.name, t.pair)
		if err != nil || which == (pairFlags{}) {
			faults = append(faults, err)
			continue
		}
		if read[which] == nil {
			pair, err := reload.OpenPair("certificate", which.cert, which.key, logger)
			if err != nil {
				faults = append(faults, usagef("%v", err))
				continue
			}
			read[which], files = pair, append(files, pair.Files)
		}
		*listener.into = read[which]
	}
	return s, files, errors.Join(faults...)
}

// choose returns the pair of a listener; none for plain text.
func (l listenerTLSFlags) choose(name string, shared pairFlags) (pairFlags, error) {
	which, prefix := l.pair, "--"+name+"-tls-"
	if which == (pairFlags{}) {
		which, prefix = shared, "--tls-"
	}
	switch {
	case l.enabled.set && !l.enabled.value:
		return pairFlags{}, nil
	case which == (pairFlags{}) && l.enabled.set:
		return pairFlags{}, usagef("--%s-tls-enabled needs a certificate and its key: --tls-cert and --tls-key", name)
	case which.cert == "" && which.key != "":
		return pairFlags{}, usagef("%skey is set, and %scert is not", prefix, prefix)
	case which.key == "" && which.cert != "":
		return pairFlags{}, usagef("%scert is set, and %skey is not", prefix, prefix)
	}
	return which, nil
}

// serverTLS returns the configuration of a listener that shows a pair; nil for plain text.
func serverTLS(pair *reload.Pair) *tls.Config {
	if pair == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Certificate(), nil },
	}
}

// warnOfPlainText warns of listeners that others can reach and listen in on.
func warnOfPlainText(logger *slog.Logger, listener net.Listener, flag string, pair *reload.Pair, what string) {
	if pair != nil || listener == nil {
		return
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return
	}
	logger.Warn("plain text: "+what+" (--tls-cert, docs/guides/tls.md)", "flag", flag, "address", listener.Addr().String())
}

func schemeOf(pair *reload.Pair) string {
	if pair == nil {
		return "http://"
	}
	return "https://"
}

// any reports whether a listener of the API speaks TLS.
func (t tlsFlags) any() bool {
	for name, l := range map[string]listenerTLSFlags{"grpc": t.grpc, "http": t.http} {
		if which, err := l.choose(name, t.pair); err == nil && which != (pairFlags{}) {
			return true
		}
	}
	return false
}

// sharesAuthority reports whether two files have a certificate in common. One that cannot be read has none: who needs it
// says so.
func sharesAuthority(a, b string) bool {
	in := map[string]bool{}
	for _, der := range authoritiesIn(a) {
		in[string(der)] = true
	}
	return slices.ContainsFunc(authoritiesIn(b), func(der []byte) bool { return in[string(der)] })
}

func authoritiesIn(file string) (all [][]byte) {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all
		}
		all = append(all, block.Bytes)
	}
}
