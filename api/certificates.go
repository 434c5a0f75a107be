package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/ostiary/ostiary"
)

// Callers can be known by the certificates of their connections (mutual TLS). A certificate of an authority that counts
// names its caller by, in this order:
//
//   - its SPIFFE ID, a URI in subjectAltName. An X.509-SVID has exactly one URI (SPIFFE X.509-SVID, section 2);
//   - its DNS name in subjectAltName, where there is exactly one and it is no wildcard.
//
// The common name counts for nothing: RFC 9525 (section 2) has done away with it, since anything may stand there. Where
// several names compete nobody is known, rather than one of them chosen.

// errTwoCallers is that of a request that names its caller twice.
var errTwoCallers = refuse(codeUnauthenticated, "unauthenticated: the connection has a client certificate and the request a bearer token: send one of both")

// errNeedsCertificate is that of a request without a certificate where nothing else counts.
var errNeedsCertificate = refuse(codeUnauthenticated, "unauthenticated: a client certificate is needed")

// CertificatesOnly returns the Authenticator of servers that know callers by certificates alone (TLS.ClientCAs).
func CertificatesOnly() Authenticator { return certificatesOnly{} }

type certificatesOnly struct{}

func (certificatesOnly) Authenticate(context.Context, string) (ostiary.Principal, error) {
	return ostiary.Principal{}, errNeedsCertificate
}

// asking returns a configuration that asks clients for certificates of the authorities that count when they connect.
// Whoever shows none may go on; one of another authority is refused. Sessions are not resumed: the certificate would not
// be judged again. The protocols are those of the application: what a server adds to the configuration that it is given
// does not reach those of its connections.
func asking(config *tls.Config, authorities func() *x509.CertPool, protocols ...string) *tls.Config {
	if config == nil || authorities == nil {
		return config
	}
	config = config.Clone()
	config.NextProtos = protocols
	config.ClientAuth, config.SessionTicketsDisabled = tls.VerifyClientCertIfGiven, true
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := base.Clone()
		now.ClientCAs = authorities()
		return now, nil
	}
	return config
}

// connectionKey is where the TLS of an HTTP request is in its context.
type connectionKey struct{}

// connectionOf returns the TLS of the connection of a request; nil without.
func connectionOf(ctx context.Context) *tls.ConnectionState {
	if state, ok := ctx.Value(connectionKey{}).(*tls.ConnectionState); ok {
		return state
	}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			return &info.State
		}
	}
	return nil
}

// headerCaller carries the principal of a stream of the HTTP surface, whose connection has a certificate, to gRPC. It
// counts on the connection in memory alone.
const headerCaller = "ostiary-caller-certificate"

// handCaller hands the address of a caller, and whom its certificate names, on over the connection in memory.
func (s *Server) handCaller(ctx context.Context) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, headerOrigin, originOf(ctx))
	switch p, known, err := s.certificateCaller(ctx); {
	case err != nil:
		return metadata.AppendToOutgoingContext(ctx, headerRefused, "true")
	case known:
		return metadata.AppendToOutgoingContext(ctx, headerCaller, p.Name)
	}
	return ctx
}

// certificateCaller returns whom the certificate of a request's connection names, and false where it has none.
func (s *Server) certificateCaller(ctx context.Context) (ostiary.Principal, bool, error) {
	none := ostiary.Principal{}
	if s.tls.ClientCAs == nil {
		return none, false, nil
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil && p.Addr.Network() == memoryNetwork {
		if names := incoming(ctx)[headerCaller]; len(names) == 1 {
			return ostiary.Principal{Kind: "mtls", Name: names[0]}, true, nil
		}
		return none, false, nil
	}
	state := connectionOf(ctx)
	if state == nil || len(state.PeerCertificates) == 0 {
		return none, false, nil
	}
	judged := s.certificates.judge(state.PeerCertificates, s.tls.ClientCAs(), time.Now())
	if judged.err != nil {
		return none, true, refuse(codeUnauthenticated, "unauthenticated: %v", judged.err)
	}
	return ostiary.Principal{Kind: "mtls", Name: judged.name}, true, nil
}

// maxJudged bounds the certificates that are remembered.
const maxJudged = 4096

// judgedCertificates remembers what was found of certificates, as long as the same authorities count: connections live
// longer than authorities may.
type judgedCertificates struct {
	mu   sync.RWMutex
	pool *x509.CertPool
	of   map[*x509.Certificate]judgedCertificate
}

type judgedCertificate struct {
	name  string
	until time.Time
	err   error
}

func (j *judgedCertificates) judge(shown []*x509.Certificate, pool *x509.CertPool, now time.Time) judgedCertificate {
	leaf := shown[0]
	j.mu.RLock()
	found, ok := j.of[leaf]
	ok = ok && j.pool == pool
	j.mu.RUnlock()
	if !ok {
		found = judgeCertificate(shown, pool, now)
		j.mu.Lock()
		if j.pool != pool || len(j.of) >= maxJudged {
			j.pool, j.of = pool, map[*x509.Certificate]judgedCertificate{}
		}
		j.of[leaf] = found
		j.mu.Unlock()
	}
	if found.err == nil && now.After(found.until) {
		found.err = errors.New("the client certificate has ended")
	}
	return found
}

func judgeCertificate(shown []*x509.Certificate, pool *x509.CertPool, now time.Time) (found judgedCertificate) {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	chains, err := shown[0].Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		found.err = errors.New("the client certificate is of no authority that counts now, or has ended")
		return found
	}
	for _, chain := range chains {
		ends := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
		if ends.After(found.until) {
			found.until = ends
		}
	}
	found.name, found.err = certificateName(shown[0])
	return found
}

var (
	dnsName     = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
	trustDomain = regexp.MustCompile(`^[a-z0-9._-]{1,255}$`)
	spiffePath  = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
)

const (
	spiffe       = "spiffe"
	maxSPIFFE    = 2048
	maxDNSNameIn = 253
)

// certificateName returns whom a certificate names.
func certificateName(leaf *x509.Certificate) (string, error) {
	if leaf.IsCA {
		return "", errors.New("the client certificate is that of an authority")
	}
	if slices.ContainsFunc(leaf.URIs, func(u *url.URL) bool { return strings.EqualFold(u.Scheme, spiffe) }) {
		if len(leaf.URIs) > 1 {
			return "", errors.New("the client certificate has a SPIFFE ID and other URIs beside it")
		}
		return spiffeID(leaf.URIs[0])
	}
	switch len(leaf.DNSNames) {
	case 0:
		return "", errors.New("the client certificate names nobody: it has neither a SPIFFE ID nor a DNS name in subjectAltName")
	case 1:
	default:
		return "", errors.New("the client certificate has several DNS names: which one is the caller?")
	}
	name := strings.ToLower(leaf.DNSNames[0])
	if len(name) > maxDNSNameIn || !dnsName.MatchString(name) {
		return "", fmt.Errorf("the DNS name %.100q of the client certificate names no one caller", name)
	}
	return name, nil
}

// spiffeID judges an ID as the SPIFFE ID specification has it, and returns its text.
func spiffeID(u *url.URL) (string, error) {
	text := u.String()
	segments := strings.Split(u.Path, "/")
	if u.Scheme != spiffe || len(text) > maxSPIFFE || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" ||
		!trustDomain.MatchString(u.Host) || !spiffePath.MatchString(u.Path) || u.RawPath != "" ||
		slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return "", fmt.Errorf("the URI %.100q of the client certificate is no SPIFFE ID of a workload", text)
	}
	return text, nil
}
