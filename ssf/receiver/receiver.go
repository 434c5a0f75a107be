package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/ssf"
)

// Options configures a Handler and a Poller. Service and Keys must be set.
type Options struct {
	Service *identity.Service
	Keys    *keyset.Cache
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now      func() int64
	Observer Observer     // nil: nobody
	Logger   *slog.Logger // nil discards
}

// Observer is told of SETs. It should be quick; it is safe for concurrent use.
type Observer interface {
	// Received tells of a SET, by how it came ("push" or "poll"), and by what became of it: what
	// identity.Signalled says was done, "repeated", "refused" or "failed".
	Received(way, outcome string, took time.Duration)
	// Polled tells that SETs were asked for, and whether that went well.
	Polled(ok bool)
}

// The ways in which SETs come.
const (
	byPush = "push"
	byPoll = "poll"
)

// What becomes of SETs, beside what identity.Signalled says.
const (
	outcomeRepeated = "repeated" // it was taken before
	outcomeRefused  = "refused"  // it is no SET that the connection takes
	outcomeFailed   = "failed"   // for now
)

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// refusal is why a SET is not taken, as RFC 8935, section 2.4, has it.
type refusal struct {
	status      int
	Code        string `json:"err"`
	Description string `json:"description"` // nothing of the SET
}

func (r refusal) Error() string { return r.Code + ": " + r.Description }

// The codes of refusals.
const (
	codeRequest        = "invalid_request"
	codeKey            = "invalid_key"
	codeIssuer         = "invalid_issuer"
	codeAudience       = "invalid_audience"
	codeAuthentication = "authentication_failed"
	codeDenied         = "access_denied"
)

func refuse(code, description string) error { return refusal{400, code, description} }

// errStranger refuses what is not of the connection's transmitter. That there is no such connection is answered alike.
var errStranger = refuse(codeIssuer, "the issuer is not the one whose SETs this connection takes")

// maxIssuedAhead is how far the clock of a transmitter may be ahead.
const maxIssuedAhead = keyset.ClockSkew

// take verifies a SET, and does what it says. With a nil caller it is of no connection. Judge is
// asked of a SET that is the transmitter's.
func (o *Options) take(
	ctx context.Context, caller *identity.SignalCaller, way, text string, judge func(ssf.SET) error,
) (done identity.Signalled, err error) {
	began := time.Now()
	set, body, err := o.verify(ctx, caller, text)
	if err == nil {
		err = judge(set)
	}
	if err == nil {
		done, err = caller.Receive(ctx, signalOf(set, body))
	}
	if errors.Is(err, identity.ErrReplayed) {
		err = refuse(codeRequest, "the jti was used before by another SET")
	}
	if o.Observer != nil {
		o.Observer.Received(way, outcomeOf(done, err), time.Since(began))
	}
	return done, err
}

func outcomeOf(done identity.Signalled, err error) string {
	var known refusal
	switch {
	case err == nil && done.Receipt.Repeated:
		return outcomeRepeated
	case err == nil:
		return done.Did
	case errors.As(err, &known):
		return outcomeRefused
	}
	return outcomeFailed
}

// verify returns what a SET of the connection says. What can be judged without a key is judged first: it is no
// reason to fetch any.
func (o *Options) verify(ctx context.Context, caller *identity.SignalCaller, text string) (set ssf.SET, body []byte, err error) {
	jwt, err := keyset.ParseJWT(text)
	if err != nil {
		return set, nil, refuse(codeRequest, "the SET is no JWT in compact form signed by RS256, PS256, ES256 or EdDSA")
	}
	if jwt.Type() != ssf.Type {
		return set, nil, refuse(codeRequest, "the type of the JWT is not secevent+jwt")
	}
	var shown struct {
		Issuer string `json:"iss"`
	}
	if jwt.Unverified(&shown) != nil {
		return set, nil, refuse(codeRequest, "the claims cannot be read")
	}
	if caller == nil || shown.Issuer == "" || shown.Issuer != caller.Source().Issuer {
		return set, nil, errStranger
	}
	by := caller.Source()
	keys, err := o.Keys.Of(keyset.Signer{URL: by.KeysURL, Keys: by.Keys, Transmitter: by.Issuer})
	if err != nil {
		return set, nil, err
	}
	var claims json.RawMessage
	switch err := jwt.Verify(ctx, keys, &claims); {
	case errors.Is(err, keyset.ErrNoKeyYet): // a transmitter that has begun to sign by a new key is to send it again
		return set, nil, err
	case errors.Is(err, keyset.ErrNoKey):
		return set, nil, refuse(codeKey, "the transmitter publishes no such key")
	case errors.Is(err, keyset.ErrSignature):
		return set, nil, refuse(codeKey, "the signature does not fit")
	case errors.Is(err, keyset.ErrInvalid):
		return set, nil, refuse(codeRequest, "the claims cannot be read")
	case err != nil:
		return set, nil, err
	}
	if set, err = ssf.Parse(claims); err != nil {
		return set, nil, refuse(codeRequest, err.Error())
	}
	switch {
	case set.Issuer != caller.Source().Issuer:
		return set, nil, errStranger
	case !set.Names(caller.Source().Audience):
		return set, nil, refuse(codeAudience, "the audience does not name this receiver")
	case set.IssuedNanos > o.Now()+int64(maxIssuedAhead):
		return set, nil, refuse(codeRequest, "iat is ahead of the clock")
	}
	for _, name := range caller.Source().Critical {
		if _, there := set.Subject.Part(name); there && !processed[name] {
			return set, nil, refuse(codeRequest, "the subject has a critical member that is not understood here")
		}
	}
	return set, claims, nil
}

// processed are the parts of complex subjects that are understood. A tenant is the connection's.
var processed = map[string]bool{ssf.PartUser: true, ssf.PartDevice: true, ssf.PartSession: true, ssf.PartTenant: true}

// signalOf returns what a SET says, in the words of package identity.
func signalOf(set ssf.SET, body []byte) identity.Signal {
	g := identity.Signal{Once: set.Issuer + " " + set.ID, Body: body, Event: ssf.Name(set.Event.Type), EventNanos: set.Event.Nanos,
		Claims: map[string]string{}}
	if g.EventNanos == 0 {
		g.EventNanos = set.IssuedNanos
	}
	for name := range set.Event.Claims {
		if text := set.Event.Text(name); text != "" {
			g.Claims[name] = text
		}
	}
	if set.Subject.Format != ssf.FormatComplex {
		g.Subject = subjectOf(set.Subject)
		return g
	}
	for name, part := range map[string]*identity.SubjectID{ssf.PartUser: &g.User, ssf.PartSession: &g.Session, ssf.PartDevice: &g.Device} {
		if s, there := set.Subject.Part(name); there {
			*part = subjectOf(s)
		}
	}
	return g
}

// subjectOf returns a simple subject. One of a format that is not known here names nobody.
func subjectOf(s ssf.Subject) identity.SubjectID {
	id := identity.SubjectID{Format: s.Format, Issuer: s.Issuer, Subject: s.Subject, Email: s.Email, ID: s.ID}
	for _, alias := range s.Aliases {
		id.Aliases = append(id.Aliases, subjectOf(alias))
	}
	return id
}

// passing reports whether an error may pass.
func passing(err error) bool {
	return ostiary.MayPass(err) || errors.Is(err, keyset.ErrUnreachable) || errors.Is(err, keyset.ErrNoKeyYet)
}
