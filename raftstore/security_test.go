package raftstore

import (
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"
)

// TestAuthorityReplaced: certificates of a new authority are taken, and those of the old one refused, without a restart.
func TestAuthorityReplaced(t *testing.T) {
	shake := func(server, client *credentials) error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		for _, end := range []net.Conn{a, b} {
			if err := end.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		answered := make(chan error, 1)
		go func() { answered <- tls.Server(a, server.answering()).Handshake() }()
		caller := tls.Client(b, client.calling(protocolCall, "localhost"))
		err := caller.Handshake()
		if err == nil {
			go caller.Read(make([]byte, 1)) // takes the alert of a refusal, which nobody else would
			err = <-answered
		}
		return err
	}
	read := func(s Security) *credentials {
		t.Helper()
		c, err := s.config(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	authorities := make([]*Authority, 2)
	files := make([]Security, 2)
	for i := range authorities {
		var err error
		if authorities[i], err = NewAuthority(time.Hour); err != nil {
			t.Fatal(err)
		}
		files[i] = security(t, authorities[i])
	}
	node, old, other := read(files[0]), read(files[0]), read(files[1])
	if err := shake(node, old); err != nil {
		t.Errorf("a certificate of the authority: %v", err)
	}
	if shake(node, other) == nil {
		t.Error("a certificate of another authority was taken")
	}
	for from, to := range map[string]string{
		files[1].CertFile: files[0].CertFile, files[1].KeyFile: files[0].KeyFile, files[1].CAFile: files[0].CAFile,
	} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := shake(node, other); err != nil {
		t.Errorf("a certificate of the new authority: %v", err)
	}
	stale := &credentials{base: other.base.Clone(), pair: old.pair, authorities: other.authorities}
	certificate := old.pair.Certificate()
	stale.base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	if shake(node, stale) == nil {
		t.Error("a certificate of the old authority was taken")
	}
}
