package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// clientTLSFlags say how a client trusts its server, and what it shows of itself.
type clientTLSFlags struct {
	server    string // the flag that names the server
	enabled   bool
	ca        string
	cert, key string
}

func (c *clientTLSFlags) register(f *pflag.FlagSet, server string) {
	c.server = "--" + server
	f.BoolVar(&c.enabled, "tls", false, "speak TLS to the server; so does "+c.server+" https://HOST:PORT, and whoever passes --server-ca or --client-cert")
	f.StringVar(&c.ca, "server-ca", "", "file with the authorities that the server's certificate may come from, PEM (default: those of this machine)")
	f.StringVar(&c.cert, "client-cert", "", "file with the certificate to show to the server, PEM")
	f.StringVar(&c.key, "client-key", "", "file with the key of --client-cert, PEM")
	fromEnv(f, "tls", "server-ca", "client-cert", "client-key")
}

// split takes the scheme off an address, and tells whether it or another flag asks for TLS.
func (c clientTLSFlags) split(server string) (address string, secure bool, err error) {
	secure = c.enabled || c.ca != "" || c.cert != "" || c.key != ""
	address, isHTTPS := strings.CutPrefix(server, "https://")
	address, isHTTP := strings.CutPrefix(address, "http://")
	address = strings.TrimSuffix(address, "/")
	switch {
	case strings.ContainsAny(address, "/?#@"):
		return "", false, usagef("%s %q is not HOST:PORT or https://HOST:PORT", c.server, server)
	case isHTTP && secure:
		return "", false, usagef("%s %q is in plain text, and another flag asks for TLS: pass https://, or leave out --tls, --server-ca and --client-cert", c.server, server)
	}
	return address, secure || isHTTPS, nil
}

// config reads the files.
func (c clientTLSFlags) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		text, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, usagef("--server-ca: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, usagef("--server-ca %s holds no certificate in PEM form", c.ca)
		}
	}
	if (c.cert == "") != (c.key == "") {
		return nil, usagef("--client-cert and --client-key belong together")
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, usagef("--client-cert, --client-key: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// trust returns the address of a server and how it is trusted; nil: it is asked in plain text.
func (c clientTLSFlags) trust(server string) (address string, config *tls.Config, err error) {
	address, secure, err := c.split(server)
	if err == nil && secure {
		config, err = c.config()
	}
	return address, config, err
}

// credentials returns the address of a server and how to speak to it.
func (c clientTLSFlags) credentials(server string) (address string, how grpccredentials.TransportCredentials, err error) {
	address, config, err := c.trust(server)
	if err != nil || config == nil {
		return address, insecure.NewCredentials(), err
	}
	return address, grpccredentials.NewTLS(config), nil
}

// tlsHint says what to do where a connection failed for its certificates, or for the want of them. Empty: it failed for
// something else.
func tlsHint(server, message string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(message, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("first record does not look like a TLS handshake"):
		return fmt.Sprintf("the server at %s speaks plain text: leave out --tls, --server-ca, --client-cert and https://, or start it with --tls-cert", server)
	case has("signed by unknown authority"):
		return "pass the authority of the server's certificate with --server-ca, or find out who answers in its place"
	case has("x509: certificate is valid for", "x509: certificate is not valid for any names", "doesn't contain any IP SANs"):
		return "call the server by a name of its certificate with --server, or give it a certificate for this one"
	case has("x509: certificate has expired or is not yet valid"):
		return "replace the server's certificate, or look at the clock of this machine"
	case has("error reading server preface"):
		return fmt.Sprintf("the server at %s may speak TLS: pass --tls, with --server-ca where its authority is your own", server)
	case has("remote error: tls: unknown certificate authority", "remote error: tls: bad certificate", "remote error: tls: expired certificate", "remote error: tls: unknown certificate"):
		return "the server refuses the certificate of --client-cert: it must be of an authority in its --authn-mtls-ca, and still be valid"
	}
	return ""
}
