package reload

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
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

// OpenAuthorities reads them. A file counts whole or not at all.
func OpenAuthorities(what, file string, logger *slog.Logger) (*Authorities, error) {
	a := &Authorities{}
	files, err := Open(what, []string{file}, logger, func(texts [][]byte) error {
		pool, err := poolOf(texts[0])
		if err != nil {
			return fmt.Errorf("%s %q: %w", what, file, err)
		}
		a.pool.Store(pool)
		return nil
	})
	a.Files = files
	return a, err
}

// Pool returns the authorities that count: another one after they were replaced.
func (a *Authorities) Pool() *x509.CertPool { return a.pool.Load() }

// poolOf reads every certificate of a PEM file. CertPool.AppendCertsFromPEM passes over those that it cannot read.
func poolOf(text []byte) (*x509.CertPool, error) {
	pool, certificates, blocks := x509.NewCertPool(), 0, 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificates++
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", certificates, err)
		}
		pool.AddCert(one)
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun != blocks:
		return nil, fmt.Errorf("%d of %d blocks in PEM form are cut off or malformed", begun-blocks, begun)
	case certificates == 0:
		return nil, errors.New("no certificate in PEM form")
	}
	return pool, nil
}
