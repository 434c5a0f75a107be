package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/ostiary/ostiary/internal/reload"
)

// onlyShowing returns the configuration of a client that accepts a server with this very certificate, whatever it is
// called by; nil for plain text.
func onlyShowing(pair *reload.Pair) *tls.Config {
	if pair == nil {
		return nil
	}
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection judges
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, pair.Certificate().Leaf.Raw) {
				return errors.New("it shows another certificate than the file holds")
			}
			return nil
		},
	}
}

// checkTLS looks at the certificates of the listeners of the API and of operators.
func checkTLS(_ context.Context, flags serveFlags) []finding {
	shows, files, err := flags.tls.judge(nil)
	if err != nil {
		return nil // checkSettings tells
	}
	var all []finding
	for _, listener := range []struct {
		flag, address string
		pair          *reload.Pair
	}{{"--grpc-addr", flags.grpcAddr, shows.grpc}, {"--http-addr", flags.httpAddr, shows.http}, {"--admin-addr", flags.adminAddr, shows.admin}} {
		if listener.pair == nil && listener.address != "" && loopbackOnly(listener.flag, listener.address) != nil {
			all = append(all, warning("tls", "docs/guides/tls.md", "%s %s is in plain text, and others may listen in", listener.flag, listener.address))
		}
	}
	judged := map[*reload.Files]bool{}
	for _, pair := range []*reload.Pair{shows.grpc, shows.http, shows.admin} {
		if pair == nil || judged[pair.Files] {
			continue
		}
		judged[pair.Files] = true
		all = append(all, judgeCertificate(pair.Certificate()))
	}
	if len(files) == 0 && len(all) == 0 {
		all = append(all, fine("tls", "plain text, on this machine alone"))
	}
	return all
}

func judgeCertificate(certificate *tls.Certificate) finding {
	leaf := certificate.Leaf
	left := time.Until(leaf.NotAfter).Round(time.Hour)
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, net.IP(ip).String())
	}
	switch {
	case left <= 0:
		return fault("tls", "docs/runbooks/certificates.md", "the certificate for %q has ended on %s", names, leaf.NotAfter.Format(time.DateOnly))
	case time.Now().Before(leaf.NotBefore):
		return fault("tls", "look at the clock of this machine", "the certificate for %q begins on %s", names, leaf.NotBefore.Format(time.DateOnly))
	case len(names) == 0:
		return fault("tls", "issue one with names (subjectAltName): clients look at nothing else", "the certificate has no names")
	case left < warnCertificate:
		return warning("tls", "docs/runbooks/certificates.md", "the certificate for %q ends in %s", names, left)
	default:
		return fine("tls", "the certificate for %q is good until %s", names, leaf.NotAfter.Format(time.DateOnly))
	}
}
