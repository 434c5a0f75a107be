package egress_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/egress"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// serveTLS starts a server on a loopback address and returns its URL, what trusts it, and how often it was
// asked.
func serveTLS(t *testing.T, h http.HandlerFunc) (string, *x509.CertPool, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots, &asked
}

func open(t *testing.T, o egress.Options) *egress.Client {
	t.Helper()
	c := egress.New(o)
	t.Cleanup(c.Close)
	return c
}

func TestGet(t *testing.T) {
	at, roots, _ := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.Write([]byte(r.Header.Get("Accept")))
	})
	status, body, err := open(t, egress.Options{Allow: loopback, Roots: roots}).Get(t.Context(), at, "text/plain")
	if err != nil || status != http.StatusTeapot || string(body) != "text/plain" {
		t.Errorf("got %d, %q, %v", status, body, err)
	}
	if _, _, err := open(t, egress.Options{Allow: loopback}).Get(t.Context(), at, "*/*"); err == nil {
		t.Error("a certificate that nobody trusts was taken")
	}
}

// A loopback address is not asked, by whatever name.
func TestPrivateAddressIsRefused(t *testing.T) {
	at, roots, asked := serveTLS(t, func(http.ResponseWriter, *http.Request) {})
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, egress.Options{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		_, _, err := c.Get(t.Context(), "https://"+host+":"+u.Port()+"/secret?key=1", "*/*")
		if !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: got %v", host, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error says where: %v", host, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// A redirect is an answer: where it leads is not asked, though it could be.
func TestRedirectIsNotFollowed(t *testing.T) {
	at, roots, asked := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	status, _, err := open(t, egress.Options{Allow: loopback, Roots: roots}).Get(t.Context(), at, "*/*")
	if err != nil || status != http.StatusFound || asked.Load() != 1 {
		t.Errorf("got %d, %v after %d requests", status, err, asked.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	at, roots, _ := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
		case "/exact":
			w.Write(make([]byte, 1000))
		default:
			for range 100 {
				w.Write(make([]byte, 1000))
			}
		}
	})
	c := open(t, egress.Options{Allow: loopback, Roots: roots, MaxBodyBytes: 1000})
	if _, _, err := c.Get(t.Context(), at+"/body", "*/*"); !errors.Is(err, egress.ErrTooLarge) {
		t.Errorf("a large body: got %v", err)
	}
	if _, body, err := c.Get(t.Context(), at+"/exact", "*/*"); err != nil || len(body) != 1000 {
		t.Errorf("a body at the bound: got %d bytes, %v", len(body), err)
	}
	if _, _, err := c.Get(t.Context(), at+"/header", "*/*"); err == nil {
		t.Error("a large header was read")
	}
}

// A server that does not answer, or never ends its answer, costs the timeout.
func TestSlowServer(t *testing.T) {
	ended := make(chan struct{})
	at, roots, _ := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drip" {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
		}
		<-ended
	})
	t.Cleanup(func() { close(ended) }) // before the server is closed
	c := open(t, egress.Options{Allow: loopback, Roots: roots, Timeout: 50 * time.Millisecond})
	for _, path := range []string{"/silent", "/drip"} {
		if _, _, err := c.Get(t.Context(), at+path, "*/*"); err == nil {
			t.Errorf("%s: an answer that never ends was read", path)
		}
	}
}

// Without TLS, allowed addresses alone are asked.
func TestPlainText(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	if _, _, err := open(t, egress.Options{}).Get(t.Context(), s.URL, "*/*"); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if status, _, err := open(t, egress.Options{Allow: loopback}).Get(t.Context(), s.URL, "*/*"); err != nil || status != http.StatusOK {
		t.Errorf("allowed: got %d, %v", status, err)
	}
}

func TestJudge(t *testing.T) {
	for text, want := range map[string]bool{
		"https://example.com":            true,
		"https://example.com:8443/a?b=c": true,
		"http://10.0.0.1/keys":           true, // the address decides
		"https://user:pw@example.com/":   false,
		"https:///keys":                  false,
		"https://example.com/#x":         false,
		"file:///etc/passwd":             false,
		"gopher://example.com":           false,
		"example.com/keys":               false,
		"https://exa mple.com":           false,
		"":                               false,
	} {
		if err := egress.Judge(text); (err == nil) != want || err != nil && !errors.Is(err, egress.ErrURL) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// Within changes the time that an answer may take, and nothing that is judged.
func TestWithin(t *testing.T) {
	answer := make(chan struct{})
	at, roots, _ := serveTLS(t, func(http.ResponseWriter, *http.Request) { <-answer })
	c := open(t, egress.Options{Allow: loopback, Roots: roots})
	if _, _, err := c.Within(time.Millisecond).Get(t.Context(), at, "*/*"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(answer)
	if status, _, err := c.Get(t.Context(), at, "*/*"); err != nil || status != http.StatusOK {
		t.Errorf("got %d, %v", status, err)
	}
	if _, _, err := open(t, egress.Options{Roots: roots}).Within(time.Hour).Get(t.Context(), at, "*/*"); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("got %v", err)
	}
}
