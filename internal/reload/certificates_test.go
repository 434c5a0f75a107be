package reload

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority returns a certificate in PEM form.
func authority(t *testing.T, serial int64) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestAuthorities: a file of which one certificate cannot be read, as while it is written, does not count at all: nobody
// is told that only some of its authorities do.
func TestAuthorities(t *testing.T) {
	first, second := authority(t, 1), authority(t, 2)
	other := string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}))
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"one":                     {first, true},
		"two, and words":          {"# ours\n" + first + "# theirs\n" + second, true},
		"something else beside":   {first + other, true},
		"empty":                   {"", false},
		"no certificate":          {other, false},
		"the second is cut off":   {first + second[:len(second)-30], false},
		"the first is cut off":    {first[:len(first)/2] + "\n" + second, false},
		"the second is no such":   {first + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), false},
		"the second is no base64": {first + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", false},
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if a, err := OpenAuthorities("authorities", file, nil); (err == nil) != c.ok || c.ok && a.Pool() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
