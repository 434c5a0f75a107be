package keyset_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"

	"github.com/ostiary/ostiary/keyset"
)

// Certificates in PEM stand for keys, if these are of use.
func TestParseCertificates(t *testing.T) {
	block := func(kind string) []byte {
		k, template := key(t, kind), &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	good := block("P-256")
	for name, text := range map[string][]byte{"one": good, "four": bytes.Repeat(good, 4), "text around it": append([]byte("subject=x\n"), good...)} {
		if _, err := keyset.ParseCertificates(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "no PEM": []byte("x"), "five": bytes.Repeat(good, 5), "a key of no use": block("P-384"),
		"a private key":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"no certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if _, err := keyset.ParseCertificates(text); !errors.Is(err, keyset.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
