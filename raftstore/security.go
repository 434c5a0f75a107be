package raftstore

import (
	"crypto/tls"
	"errors"
	"log/slog"

	"github.com/ostiary/ostiary/internal/reload"
)

// Security says how the nodes of a cluster know each other: by certificates of one authority, each node
// with its own, in PEM files. The authority alone decides who belongs; who holds a certificate of it may
// do everything.
type Security struct {
	// CertFile, KeyFile and CAFile name the node's certificate, its key, and the certificates of the
	// authority. They are read again at every new connection, so that they can be replaced while the node
	// runs; files that cannot be used leave what was read before in force.
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

// credentials are what the files of a Security hold. Nil stands for plain text.
type credentials struct {
	base        *tls.Config // what connections of both sides share
	pair        *reload.Pair
	authorities *reload.Authorities
}

// config reads the files. It returns nil for plain text.
func (s Security) config(logger *slog.Logger) (*credentials, error) {
	if s.PlainText {
		if s.CertFile != "" || s.KeyFile != "" || s.CAFile != "" {
			return nil, errors.New("a cluster in plain text has no certificates: leave out one or the other")
		}
		return nil, nil
	}
	if s.CertFile == "" || s.KeyFile == "" || s.CAFile == "" {
		return nil, errors.New("a cluster needs a certificate, its key, and the certificate of the authority; 'ostiary cluster certs' makes some for trials")
	}
	authorities, err := reload.OpenAuthorities("authority of the cluster", s.CAFile, logger)
	if err != nil {
		return nil, err
	}
	pair, err := reload.OpenPair("certificate of the node", s.CertFile, s.KeyFile, logger)
	if err != nil {
		return nil, err
	}
	current := func() (*tls.Certificate, error) {
		pair.Look()
		return pair.Certificate(), nil
	}
	return &credentials{pair: pair, authorities: authorities, base: &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current() },
		NextProtos:           []string{protocolRaft, protocolCall},
		// A session that is resumed would not be judged by the authorities that count now.
		SessionTicketsDisabled: true,
	}}, nil
}

// answering returns the configuration of a connection that was taken.
func (c *credentials) answering() *tls.Config {
	config := c.base.Clone()
	c.authorities.Look()
	config.ClientCAs = c.authorities.Pool()
	return config
}

// calling returns the configuration of a connection to a node.
func (c *credentials) calling(protocol, host string) *tls.Config {
	config := c.base.Clone()
	c.authorities.Look()
	config.RootCAs, config.NextProtos, config.ServerName = c.authorities.Pool(), []string{protocol}, host
	return config
}
