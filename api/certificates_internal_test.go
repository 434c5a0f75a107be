package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// TestCertificateName: a certificate names one caller, or nobody.
func TestCertificateName(t *testing.T) {
	uris := func(all ...string) (parsed []*url.URL) {
		for _, text := range all {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, u)
		}
		return parsed
	}
	for _, c := range []struct {
		uris []string
		dns  []string
		ca   bool
		want string // empty: nobody
	}{
		{dns: []string{"shop.example.com"}, want: "shop.example.com"},
		{dns: []string{"Shop.Example.COM"}, want: "shop.example.com"},
		{uris: []string{"spiffe://example.com/ns/shop/sa/web"}, dns: []string{"a", "b"}, want: "spiffe://example.com/ns/shop/sa/web"},
		{uris: []string{"https://example.com/shop"}, dns: []string{"shop"}, want: "shop"},
		{},
		{dns: []string{"a.example.com", "b.example.com"}},
		{dns: []string{"*.example.com"}},
		{dns: []string{"spiffe://example.com/shop"}},
		{dns: []string{""}},
		{dns: []string{"a b"}},
		{dns: []string{"shop"}, ca: true},
		{uris: []string{"spiffe://example.com/a", "spiffe://example.com/b"}},
		{uris: []string{"spiffe://example.com/a", "https://example.com"}},
		{uris: []string{"spiffe://example.com"}},
		{uris: []string{"spiffe://example.com/"}},
		{uris: []string{"spiffe://example.com/a/../b"}},
		{uris: []string{"spiffe://example.com/a//b"}},
		{uris: []string{"spiffe://example.com/a%2Fb"}},
		{uris: []string{"spiffe://example.com:443/a"}},
		{uris: []string{"spiffe://me@example.com/a"}},
		{uris: []string{"spiffe://example.com/a?b"}},
		{uris: []string{"spiffe://example.com/a#b"}},
		{uris: []string{"spiffe://Example.com/a"}},
	} {
		got, err := certificateName(&x509.Certificate{URIs: uris(c.uris...), DNSNames: c.dns, IsCA: c.ca})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q %q: got %q, %v, want %q", c.uris, c.dns, got, err, c.want)
		}
	}
}

// certified are an authority and connections that show certificates of it.
type certified struct {
	t           testing.TB
	authority   *x509.Certificate
	key         *ecdsa.PrivateKey
	until       time.Time
	clientUsage x509.ExtKeyUsage
}

func newCertified(t testing.TB) *certified {
	t.Helper()
	c := &certified{t: t, until: time.Now().Add(time.Hour), clientUsage: x509.ExtKeyUsageClientAuth}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c.authority, c.key = c.issue(template, template, nil)
	return c
}

func (c *certified) issue(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		c.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return certificate, key
}

func (c *certified) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.authority)
	return pool
}

// connection returns one that shows the certificate of a caller.
func (c *certified) connection(name string) *tls.ConnectionState {
	c.t.Helper()
	leaf, _ := c.issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: c.until,
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{c.clientUsage},
	}, c.authority, c.key)
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
}

// TestJudgedCertificates: what was found of a certificate is forgotten with the authorities, and ends with it.
func TestJudgedCertificates(t *testing.T) {
	ours, theirs := newCertified(t), newCertified(t)
	var judged judgedCertificates
	pool, now := ours.pool(), time.Now()
	shown := ours.connection("shop").PeerCertificates
	for range 2 {
		if got := judged.judge(shown, pool, now); got.err != nil || got.name != "shop" {
			t.Errorf("got %+v", got)
		}
	}
	if got := judged.judge(theirs.connection("shop").PeerCertificates, pool, now); got.err == nil {
		t.Error("a certificate of another authority counts")
	}
	if got := judged.judge(shown, pool, now.Add(2*time.Hour)); got.err == nil {
		t.Error("a certificate that has ended counts")
	}
	if got := judged.judge(shown, theirs.pool(), now); got.err == nil {
		t.Error("a certificate counts after its authority was taken away")
	}
	if got := judged.judge(shown, pool, now); got.err != nil {
		t.Errorf("a certificate does not count after its authority came back: %v", got.err)
	}
	ours.clientUsage = x509.ExtKeyUsageServerAuth
	if got := judged.judge(ours.connection("shop").PeerCertificates, pool, now); got.err == nil {
		t.Error("a certificate for servers counts")
	}
	for range maxJudged + 10 {
		again := *shown[0]
		judged.judge([]*x509.Certificate{&again}, pool, now)
		if len(judged.of) > maxJudged {
			t.Fatalf("%d certificates are remembered", len(judged.of))
		}
	}
}
