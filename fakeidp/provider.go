package fakeidp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyBits is the size of a new key.
const keyBits = 2048

// Options configures New. Issuer must be set.
type Options struct {
	// Issuer is the provider's URL, without a slash at its end.
	Issuer string
	// Key signs. Nil: a new one.
	Key *rsa.PrivateKey
	// RedirectURIs are the places, beside those of this machine, to which a login may lead.
	RedirectURIs []string
	// Now is the time. Nil: time.Now.
	Now func() time.Time
}

// Provider is an identity provider. Make one with New.
type Provider struct {
	o     Options
	keyID string
	mux   *http.ServeMux

	mu     sync.Mutex
	codes  map[string]grant // of logins that nobody has taken the tokens of
	queue  []queuedSET      // to be polled
	queued map[string]bool  // their ids
}

// New returns a provider.
func New(o Options) (*Provider, error) {
	o.Issuer = strings.TrimSuffix(o.Issuer, "/")
	if o.Issuer == "" {
		return nil, errors.New("an identity provider needs an issuer: the URL at which it answers")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Key == nil {
		key, err := NewKey()
		if err != nil {
			return nil, err
		}
		o.Key = key
	}
	public := jose.JSONWebKey{Key: o.Key.Public()}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name the key: %w", err)
	}
	p := &Provider{
		o: o, keyID: base64.RawURLEncoding.EncodeToString(sum),
		codes: map[string]grant{}, queued: map[string]bool{},
	}
	p.mux = p.routes()
	return p, nil
}

// Issuer is the provider's URL.
func (p *Provider) Issuer() string { return p.o.Issuer }

// KeySet returns the public key as a JWK set.
func (p *Provider) KeySet() []byte {
	text, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{ // a public key: it cannot fail
		{Key: p.o.Key.Public(), KeyID: p.keyID, Algorithm: string(jose.RS256), Use: "sig"}}})
	return text
}

// NewKey draws a key.
func NewKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	return key, nil
}

const pemKey = "PRIVATE KEY"

// LoadKey returns the key in a file, which is made where there is none.
func LoadKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the identity provider: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return nil, fmt.Errorf("file %q holds no %s in PEM: name another file, and one is made there", file, pemKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key in %q: %w", file, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key in %q is no RSA key: name another file, and one is made there", file)
	}
	return key, nil
}

func makeKey(file string) (*rsa.PrivateKey, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep the key of the identity provider: %w", err)
	}
	if err := errors.Join(pem.Encode(f, &pem.Block{Type: pemKey, Bytes: der}), f.Close()); err != nil {
		return nil, fmt.Errorf("keep the key of the identity provider in %q: %w", file, err)
	}
	return key, nil
}

// sign returns claims as a JWT of a type; of none where typ is empty.
func (p *Provider) sign(typ string, claims map[string]any) (string, error) {
	o := (&jose.SignerOptions{}).WithHeader("kid", p.keyID)
	if typ != "" {
		o = o.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.o.Key}, o)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// random returns a text that nobody can guess.
func random() string { return rand.Text() }

// challenge is what PKCE's S256 makes of a verifier.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
