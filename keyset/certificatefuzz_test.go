package keyset_test

import (
	"encoding/pem"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/keyset"
)

// Whatever is given as certificates is read, or refused as invalid.
func FuzzParseCertificates(f *testing.F) {
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0x03, 0x02, 0x01, 0x01}}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("nothing"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := keyset.ParseCertificates(text)
		if (keys == nil) == (err == nil) || err != nil && !errors.Is(err, keyset.ErrInvalid) {
			t.Errorf("%q: %v, %v", text, keys, err)
		}
	})
}
