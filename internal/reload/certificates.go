package reload

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// Pair is a certificate with its key, from PEM files. The certificate's file may hold those of the authorities between
// it and the root after it.
type Pair struct {
	*Files
	certificate atomic.Pointer[tls.Certificate]
}

// OpenPair reads a pair.
func OpenPair(what, certFile, keyFile string, logger *slog.Logger) (*Pair, error) {
	p := &Pair{}
	files, err := Open(what, []string{certFile, keyFile}, logger, func(texts [][]byte) error {
		pair, err := tls.X509KeyPair(texts[0], texts[1])
		if err != nil {
			return fmt.Errorf("%s %q and its key %q: %w", what, certFile, keyFile, err)
		}
		p.certificate.Store(&pair)
		return nil
	})
	p.Files = files
	return p, err
}

// Certificate returns the pair that counts. Its Leaf is set.
func (p *Pair) Certificate() *tls.Certificate { return p.certificate.Load() }

// Authorities are certificates of authorities, from a PEM file.
type Authorities struct {
	*Files
	pool atomic.Pointer[x509.CertPool]
}

// OpenAuthorities reads them.
func OpenAuthorities(what, file string, logger *slog.Logger) (*Authorities, error) {
	a := &Authorities{}
	files, err := Open(what, []string{file}, logger, func(texts [][]byte) error {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(texts[0]) {
			return fmt.Errorf("%s %q: no certificate in PEM form", what, file)
		}
		a.pool.Store(pool)
		return nil
	})
	a.Files = files
	return a, err
}

// Pool returns the authorities that count: another one after they were replaced.
func (a *Authorities) Pool() *x509.CertPool { return a.pool.Load() }
