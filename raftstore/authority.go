package raftstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// Authority makes certificates for the nodes of one cluster, for trials: its key lives as long as the
// value does, so a node that comes later needs another authority.
type Authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	until       time.Time
}

// NewAuthority draws a key. Every certificate ends when the authority's own does.
func NewAuthority(lifetime time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	a := &Authority{key: key, until: time.Now().Add(lifetime)}
	template, err := a.template("ostiary cluster authority")
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
}

func (a *Authority) template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: a.until, // clocks may differ a little
	}, nil
}

// Certificate returns the authority's certificate as PEM.
func (a *Authority) Certificate() []byte { return pemBlock("CERTIFICATE", a.certificate.Raw) }

// Issue returns a certificate and its key, as PEM, for a node that others reach by the given host names
// and IP addresses. A URI becomes one of the certificate's.
func (a *Authority) Issue(name string, hosts ...string) (certificate, key []byte, err error) {
	template, err := a.template(name)
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if strings.Contains(host, "://") {
			uri, err := url.Parse(host)
			if err != nil {
				return nil, nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
			}
			template.URIs = append(template.URIs, uri)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	return pemBlock("CERTIFICATE", der), pemBlock("PRIVATE KEY", pkcs8), nil
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
