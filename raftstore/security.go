package raftstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Security says how the nodes of a cluster know each other: by certificates of one authority, each node
// with its own, in PEM files. The authority alone decides who belongs; who holds a certificate of it may
// do everything.
type Security struct {
	// CertFile, KeyFile and CAFile name the node's certificate, its key, and the certificates of the
	// authority. Certificate and key are read again at every new connection, so that they can be
	// replaced while the node runs.
	CertFile, KeyFile, CAFile string
	// PlainText does without certificates. Everybody who reaches the port then belongs to the cluster:
	// for trials on one machine.
	PlainText bool
}

// Application protocols of the cluster's port.
const (
	protocolRaft = "ostiary-raft/1"
	protocolCall = "ostiary-cluster/1"
)

// config returns the TLS configuration of both sides of a connection, or nil for plain text.
func (s Security) config() (*tls.Config, error) {
	if s.PlainText {
		if s.CertFile != "" || s.KeyFile != "" || s.CAFile != "" {
			return nil, errors.New("a cluster in plain text has no certificates: leave out one or the other")
		}
		return nil, nil
	}
	if s.CertFile == "" || s.KeyFile == "" || s.CAFile == "" {
		return nil, errors.New("a cluster needs a certificate, its key, and the certificate of the authority; 'ostiary cluster certs' makes some for trials")
	}
	authorities, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("read the cluster's authority %q: no certificate in PEM form", s.CAFile)
	}
	if _, err := s.certificate(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		RootCAs:              pool,
		ClientCAs:            pool,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.certificate() },
		NextProtos:           []string{protocolRaft, protocolCall},
	}, nil
}

func (s Security) certificate() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate %q and key %q: %w", s.CertFile, s.KeyFile, err)
	}
	return &pair, nil
}
