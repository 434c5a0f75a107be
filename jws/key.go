package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how a key signs.
type Algorithm string

// The algorithms of keys.
const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256"
)

// Algorithms returns every algorithm.
func Algorithms() []Algorithm { return []Algorithm{RS256, ES256} }

// rsaBits is how long new RSA keys are: what SSF's interoperability profile asks for at least, and what every
// receiver takes.
const rsaBits = 2048

// Key is a private key.
type Key struct {
	id        string
	algorithm Algorithm
	signer    crypto.Signer
	public    []byte
}

// Generate draws a key. Its id does not begin with "-", so that it can be written on a command line.
func Generate(a Algorithm) (*Key, error) {
	for {
		k, err := draw(a)
		if err != nil || !strings.HasPrefix(k.id, "-") {
			return k, err
		}
	}
}

func draw(a Algorithm) (*Key, error) {
	var signer crypto.Signer
	var err error
	switch a {
	case RS256:
		signer, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("make a signing key: algorithm %.20q is none of %v", a, Algorithms())
	}
	if err != nil {
		return nil, fmt.Errorf("make a signing key of %s: %w", a, err)
	}
	return newKey(signer)
}

// Parse reads what Private has returned.
func Parse(private []byte) (*Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read a signing key: it is no private key in PKCS #8") // what x509 says may show bytes
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read a signing key: %T does not sign", parsed)
	}
	return newKey(signer)
}

func newKey(signer crypto.Signer) (*Key, error) {
	k := &Key{signer: signer}
	switch key := signer.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < rsaBits {
			return nil, fmt.Errorf("a signing key has %d bits, and must have %d", key.N.BitLen(), rsaBits)
		}
		k.algorithm = RS256
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("a signing key is on curve %s, not P-256", key.Curve.Params().Name)
		}
		k.algorithm = ES256
	default:
		return nil, fmt.Errorf("a signing key is of %T, which is of none of %v", signer, Algorithms())
	}
	jwk := jose.JSONWebKey{Key: signer.Public(), Algorithm: string(k.algorithm), Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name a signing key: %w", err)
	}
	k.id = base64.RawURLEncoding.EncodeToString(sum)
	jwk.KeyID = k.id
	if k.public, err = jwk.MarshalJSON(); err != nil {
		return nil, fmt.Errorf("write a public key: %w", err)
	}
	return k, nil
}

// ID is the key's id (kid).
func (k *Key) ID() string { return k.id }

// Algorithm is how the key signs.
func (k *Key) Algorithm() Algorithm { return k.algorithm }

// Public returns the public part as a JWK. The caller does not change it.
func (k *Key) Public() []byte { return k.public }

// Private returns the key for Parse. It is to be sealed before it is stored.
func (k *Key) Private() ([]byte, error) {
	private, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("write signing key %s: %w", k.id, err)
	}
	return private, nil
}

// String names the key and shows nothing of it.
func (k *Key) String() string { return string(k.algorithm) + " key " + k.id }

// GoString is String: no form of printing goes through the fields.
func (k *Key) GoString() string { return k.String() }

// Sign returns a JWT in compact form, of a type (typ), that holds claims as JSON.
func (k *Key) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims of a JWT: %w", err)
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader(jose.HeaderKey("kid"), k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: k.signer}, options)
	if err != nil {
		return "", fmt.Errorf("sign by key %s: %w", k.id, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign by key %s: %w", k.id, err)
	}
	return signed.CompactSerialize()
}

// Set returns a JWK set (RFC 7517) of public keys that Public has returned.
func Set(public [][]byte) []byte {
	keys := make([]json.RawMessage, len(public))
	for i, k := range public {
		keys[i] = k
	}
	set, err := json.Marshal(struct {
		Keys []json.RawMessage `json:"keys"`
	}{keys})
	if err != nil {
		panic(err) // one of them is no JSON
	}
	return set
}
