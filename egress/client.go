package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// The other errors of requests.
var (
	// ErrTooLarge: the answer has more than Options.MaxBodyBytes.
	ErrTooLarge = errors.New("answer is too large")
	// ErrURL: there is no sending to such a URL.
	ErrURL = errors.New("not a URL for outgoing requests")
)

// Options configures New. The zero value is ready for use, and reaches the public Internet over TLS alone.
type Options struct {
	// Allow lists networks that may be reached though they are not public, also without TLS.
	Allow []netip.Prefix
	// Timeout bounds a request, from the look-up of the name to the end of the answer. Zero means 10 s.
	Timeout time.Duration
	// MaxBodyBytes bounds the body of an answer. Zero means 256 KiB.
	MaxBodyBytes int64
	// Roots are trusted to sign certificates. Nil: those of the system.
	Roots *x509.CertPool
}

// maxHeaderBytes bounds the header of an answer.
const maxHeaderBytes = 32 << 10

// Client sends requests. Make one with New.
type Client struct {
	o    Options
	http *http.Client
}

// New returns a client, which is to be closed.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 256 << 10
	}
	c := &Client{o: o}
	c.http = &http.Client{
		Timeout: o.Timeout,
		// The redirect is the answer: where it leads was not configured by anybody.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // it would be asked in place of the address that is judged
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    o.Timeout,
			MaxIdleConns:           16,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true, // so that the bytes that are counted are those that were sent
		},
	}
	return c
}

// Within returns a client that gives each request another time, and is closed with c, whose connections it uses.
func (c *Client) Within(timeout time.Duration) *Client {
	patient := *c.http
	patient.Timeout = timeout
	o := c.o
	o.Timeout = timeout
	return &Client{o: o, http: &patient}
}

// Close ends the connections that are kept for later. Requests under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Judge says whether a URL is one to which requests may be configured to go; its host is judged when it is
// dialled. The error wraps ErrURL.
func Judge(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("the URL cannot be read: %w", ErrURL) // what url.Parse says repeats the text
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("the URL has the scheme %.20q, not https: %w", u.Scheme, ErrURL)
	case u.Hostname() == "":
		return fmt.Errorf("the URL has no host: %w", ErrURL)
	case u.User != nil:
		return fmt.Errorf("the URL holds a user name: %w", ErrURL)
	case u.Fragment != "":
		return fmt.Errorf("the URL has a fragment: %w", ErrURL)
	}
	return nil
}

// JudgeURL says whether a URL may be one for requests of this client, as far as that can be told before its host is
// looked up: an address in it must be allowed, and without TLS some network must be. The error wraps ErrURL or
// ErrRefused.
func (c *Client) JudgeURL(text string) error {
	if err := Judge(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("the URL cannot be read: %w", ErrURL)
	}
	secure := u.Scheme == "https"
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return c.judge(netip.AddrPortFrom(a, 0).String(), secure)
	}
	if !secure && len(c.o.Allow) == 0 {
		return fmt.Errorf("the URL is not of https, and no network may be asked without TLS (serve --egress-allow): %w", ErrRefused)
	}
	return nil
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// secureKey is in the context of requests over TLS.
type secureKey struct{}

// Do sends a request and reads the answer, whatever its status; a redirect is an answer like others. It
// does not retry. Errors wrap ErrRefused, ErrTooLarge and ErrURL where these are the cause, and name of the
// URL the scheme and host alone.
func (c *Client) Do(r *http.Request) (Response, error) {
	if err := Judge(r.URL.String()); err != nil {
		return Response{}, err
	}
	where := r.URL.Scheme + "://" + r.URL.Host
	if r.URL.Scheme == "https" {
		r = r.WithContext(context.WithValue(r.Context(), secureKey{}, true))
	}
	resp, err := c.http.Do(r)
	if err != nil {
		var whole *url.Error
		if errors.As(err, &whole) {
			err = whole.Err // without the URL
		}
		return Response{}, fmt.Errorf("ask %s: %w", where, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.o.MaxBodyBytes+1))
	switch {
	case int64(len(body)) > c.o.MaxBodyBytes:
		return Response{}, fmt.Errorf("ask %s: more than %d bytes: %w", where, c.o.MaxBodyBytes, ErrTooLarge)
	case err != nil:
		return Response{}, fmt.Errorf("read the answer of %s: %w", where, err)
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Get returns the status and the body that a URL answers with. Accept is the media type that is asked for.
func (c *Client) Get(ctx context.Context, url, accept string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("the URL cannot be read: %w", ErrURL)
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "ostiary")
	resp, err := c.Do(r)
	return resp.Status, resp.Body, err
}

// dial connects to an address that may be reached.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	secure, _ := ctx.Value(secureKey{}).(bool)
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return c.judge(address, secure) }}
	return d.DialContext(ctx, network, address)
}

// judge refuses an address, with its port, that may not be reached. It is called for each address of a name,
// right before a connection is opened to it.
func (c *Client) judge(address string, secure bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q: %w", address, ErrRefused)
	}
	a := reached(ap.Addr())
	if slices.ContainsFunc(c.o.Allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	if !Public(a) {
		return fmt.Errorf("%s is not public (serve --egress-allow): %w", a, ErrRefused)
	}
	if !secure {
		return fmt.Errorf("%s would be asked without TLS (serve --egress-allow): %w", a, ErrRefused)
	}
	return nil
}
