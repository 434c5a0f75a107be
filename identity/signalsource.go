package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// SignalSource says by what security event tokens (SET) the identity provider of a connection tells what has
// happened, and what becomes of it: a transmitter of the Shared Signals Framework. A connection has one at most.
type SignalSource struct {
	Connection string
	// Off refuses every SET.
	Off bool
	// Issuer is who makes the SETs (iss), exactly, and Audience for whom they are (aud): one of these.
	Issuer   string
	Audience []string
	// SubjectIssuer is another issuer by whose subjects people may be named. Empty: Issuer alone.
	SubjectIssuer string
	// Where the public keys are: a JWK set as text, or the URL of one. Without either the transmitter configuration
	// metadata of Issuer, which must name it, lead to them. Whoever sets them has judged them.
	Keys    []byte
	KeysURL string
	// Critical are the parts of complex subjects that the transmitter calls critical (critical_subject_members).
	Critical []string
	// Policy says what becomes of events, by their names. Those that it does not name are treated as
	// DefaultSignalAction says.
	Policy map[string]string
	// PollURL is where SETs are fetched from. Empty: they are pushed.
	PollURL string

	// Authorized reports whether pushes must show an Authorization header that was set.
	Authorized bool
	Version    ostiary.Revision
}

// SignalSecrets are the secrets of a SignalSource. Nobody reads them back.
type SignalSecrets struct {
	// Authorization is what the Authorization header of a push must be. Empty: anything.
	Authorization string
	// PollToken is the bearer token that is shown to PollURL. Empty: none.
	PollToken string
}

// SignalState is what is known of the stream of a connection's SETs.
type SignalState struct {
	UsedNanos int64 // when the last SET was taken; zero: never
	// VerifiedNanos is when the transmitter has last sent a verification event, and State what that one echoed.
	VerifiedNanos int64
	State         string
	// Stream is what the transmitter has last said of the stream: "enabled", "paused" or "disabled". Empty: nothing.
	Stream string
}

// The actions of a policy.
const (
	SignalAudit       = "audit"        // nothing but an audit row
	SignalEndSessions = "end-sessions" // end the sessions that the event is about
	SignalStepUp      = "step-up"      // forget the acr and amr of those sessions
	SignalMarkDevice  = "mark-device"  // write or release device:D#compliant
	SignalDisable     = "disable"      // deactivate the person, as SCIM does
	SignalEnable      = "enable"       // end a deactivation by a signal
	SignalDelete      = "delete"       // delete the person, as SCIM does
	SignalUnlink      = "unlink"       // forget by what subjects of the provider the person is found, and end the sessions
)

// signalActions lists the events that have a choice of actions, the default first.
var signalActions = map[string][]string{
	"session-revoked":                    {SignalEndSessions, SignalAudit},
	"sessions-revoked":                   {SignalEndSessions, SignalAudit},
	"credential-change":                  {SignalAudit, SignalEndSessions, SignalStepUp},
	"assurance-level-change":             {SignalAudit, SignalStepUp, SignalEndSessions},
	"device-compliance-change":           {SignalAudit, SignalMarkDevice, SignalEndSessions, SignalStepUp},
	"risk-level-change":                  {SignalAudit, SignalStepUp, SignalEndSessions},
	"account-disabled":                   {SignalAudit, SignalEndSessions, SignalDisable},
	"account-enabled":                    {SignalAudit, SignalEnable},
	"account-purged":                     {SignalAudit, SignalEndSessions, SignalDisable, SignalDelete},
	"account-credential-change-required": {SignalAudit, SignalEndSessions, SignalStepUp},
	"credential-compromise":              {SignalAudit, SignalEndSessions, SignalStepUp},
	"identifier-changed":                 {SignalAudit, SignalEndSessions, SignalUnlink},
	"identifier-recycled":                {SignalAudit, SignalEndSessions, SignalUnlink},
}

// SignalEvents lists the names of the events for which a policy may name an action other than SignalAudit, sorted.
func SignalEvents() []string { return slices.Sorted(maps.Keys(signalActions)) }

// SignalActions lists the actions that an event may have, the default first.
func SignalActions(event string) []string {
	if actions, known := signalActions[event]; known {
		return slices.Clone(actions)
	}
	return []string{SignalAudit}
}

// DefaultSignalAction is what becomes of an event where the policy does not name it: sessions end that a provider
// revokes, and of everything else an audit row tells.
func DefaultSignalAction(event string) string { return SignalActions(event)[0] }

// action returns what becomes of an event.
func (s SignalSource) action(event string) string {
	if action, named := s.Policy[event]; named {
		return action
	}
	return DefaultSignalAction(event)
}

type signalSourceBody struct {
	form
	Off           bool              `json:"off,omitempty"`
	Issuer        string            `json:"iss"`
	Audience      []string          `json:"aud"`
	SubjectIssuer string            `json:"subject_iss,omitempty"`
	Keys          []byte            `json:"keys,omitempty"`
	KeysURL       string            `json:"keys_url,omitempty"`
	Critical      []string          `json:"critical,omitempty"`
	Policy        map[string]string `json:"policy,omitempty"`
	PollURL       string            `json:"poll_url,omitempty"`
	Authorization []byte            `json:"authorization,omitempty"` // a keyed hash
	PollToken     []byte            `json:"poll_token,omitempty"`    // sealed
}

// signalStreamBody is what is known of the stream: apart from the source, on which each SET rests.
type signalStreamBody struct {
	form
	VerifiedNanos int64  `json:"verified,omitempty"`
	State         string `json:"state,omitempty"`
	Stream        string `json:"stream,omitempty"`
}

const signalSources = "signals"

func signalSourceKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: signalSources, Key: connection}
}

// signalUseKey is of a document that says when a SET was last taken. It is a tokenUseBody.
func signalUseKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "signals-use", Key: connection}
}

func signalStreamKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "signals-stream", Key: connection}
}

// Bounds on a SignalSource.
const (
	maxSignalAudience = 20
	maxSignalSecret   = 4 << 10 // bytes
)

// normal returns the setting as it is stored, and refuses what cannot be.
func (s SignalSource) normal(secrets SignalSecrets) (SignalSource, error) {
	s.Audience, s.Critical = distinct(s.Audience), distinct(s.Critical)
	switch {
	case !isIssuer(s.Issuer) || s.SubjectIssuer != "" && !isIssuer(s.SubjectIssuer):
		return s, invalid("issuers %.100q and %.100q: the first is to be a URL, and the second one or empty", s.Issuer, s.SubjectIssuer)
	case max(len(s.Issuer), len(s.SubjectIssuer), len(s.KeysURL), len(s.PollURL)) > maxClientURLBytes:
		return s, invalid("a URL of the signals has more than %d bytes", maxClientURLBytes)
	case len(s.Audience) == 0 || len(s.Audience) > maxSignalAudience:
		return s, invalid("%d audiences are given: name 1 to %d, as the transmitter knows this receiver", len(s.Audience), maxSignalAudience)
	case len(s.Keys) > 0 && s.KeysURL != "":
		return s, invalid("the keys are to be a key set or at the URL of one: both are given")
	case len(s.Keys) > maxClientKeyBytes:
		return s, invalid("the key set has %d bytes, and may have %d", len(s.Keys), maxClientKeyBytes)
	case max(len(secrets.Authorization), len(secrets.PollToken)) > maxSignalSecret:
		return s, invalid("a secret of the signals has more than %d bytes", maxSignalSecret)
	case strings.ContainsAny(secrets.Authorization+secrets.PollToken, "\r\n\x00"):
		return s, invalid("a secret of the signals is no text for a header")
	case secrets.PollToken != "" && s.PollURL == "":
		return s, invalid("a token for polling is given, and no URL to poll")
	case len(s.Critical) > maxSignalAudience:
		return s, invalid("%d critical members are given, and may be %d", len(s.Critical), maxSignalAudience)
	}
	for _, text := range append(slices.Clone(s.Audience), s.Critical...) {
		if len(text) > maxSessionText {
			return s, invalid("%.100q has more than %d bytes", text, maxSessionText)
		}
	}
	return s, judgePolicy(s.Policy)
}

func judgePolicy(policy map[string]string) error {
	for _, event := range slices.Sorted(maps.Keys(policy)) {
		if _, known := signalActions[event]; !known {
			return invalid("event %.100q is none of those that have a choice: %s", event, strings.Join(SignalEvents(), ", "))
		}
		if action := policy[event]; !slices.Contains(signalActions[event], action) {
			return invalid("action %.100q is none of those of event %s: %s", action, event, strings.Join(signalActions[event], ", "))
		}
	}
	return nil
}

// authorizationMAC is what is stored of the Authorization header of pushes: nobody who reads it learns the header.
func (x *secrets) authorizationMAC(connection, header string) []byte {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "signals authorization\x00%s\x00%s", connection, header)
	return mac.Sum(nil)
}

// pollKey seals the token that is shown where SETs are fetched from.
func (x *secrets) pollKey(connection string) []byte {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "signals poll\x00%s", connection)
	return mac.Sum(nil)
}

// SetSignalSource sets by what SETs a provider tells what has happened, in the place of what was set before, its
// secrets too. Version and Authorized of g are set by it.
func (s *Service) SetSignalSource(ctx context.Context, store string, g SignalSource, secrets SignalSecrets) (SignalSource, error) {
	g, err := g.normal(secrets)
	if err != nil {
		return g, err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return g, err
	}
	g.Authorized = secrets.Authorization != ""
	body := signalSourceBody{form: form{bodyForm}, Off: g.Off, Issuer: g.Issuer, Audience: g.Audience, SubjectIssuer: g.SubjectIssuer,
		Keys: g.Keys, KeysURL: g.KeysURL, Critical: g.Critical, Policy: g.Policy, PollURL: g.PollURL}
	if g.Authorized {
		body.Authorization = x.authorizationMAC(g.Connection, secrets.Authorization)
	}
	if secrets.PollToken != "" {
		body.PollToken = seal(newAEAD(x.pollKey(g.Connection)), g.Connection, []byte(secrets.PollToken))
	}
	receipt, err := s.changeSignals(ctx, store, g.Connection, "signals.set", func(v View, m *ostiary.Mutation) error {
		m.Documents = append(m.Documents, put(signalSourceKey(g.Connection), body))
		return nil
	})
	g.Version = receipt.Revision
	return g, err
}

// changeSignals is Service.change of what a connection's signals do.
func (s *Service) changeSignals(
	ctx context.Context, store, connection, action string, build func(v View, m *ostiary.Mutation) error,
) (ostiary.Receipt, error) {
	row := &audit{store: store, connection: connection, resource: connection, action: action}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, connection)
		if err != nil {
			return err
		}
		c, err := decodeConnection(d)
		if err != nil || c.Paused == PausedByDeletion {
			return orElse(err, notFound("connection", connection))
		}
		row.organization = c.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		return build(v, m)
	})
}

// SetSignalPolicy sets what becomes of events of a connection, in the place of the policy of before, and leaves
// everything else as it is. Where no SignalSource was set it is ErrNotFound.
func (s *Service) SetSignalPolicy(ctx context.Context, store, connection string, policy map[string]string) (ostiary.Receipt, error) {
	if err := judgePolicy(policy); err != nil {
		return ostiary.Receipt{}, err
	}
	return s.changeSignals(ctx, store, connection, "signals.policy", func(v View, m *ostiary.Mutation) error {
		d, there, err := v.Document(signalSourceKey(connection))
		if err != nil || !there {
			return orElse(err, notFound("signals of connection", connection))
		}
		body, err := decode[signalSourceBody](d)
		if err != nil || maps.Equal(body.Policy, policy) {
			return err
		}
		body.Policy = policy
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, body))
		return nil
	})
}

// ClearSignalSource ends what SetSignalSource has set: SETs of the connection are refused as those of a stranger.
func (s *Service) ClearSignalSource(ctx context.Context, store, connection string) (ostiary.Receipt, error) {
	return s.changeSignals(ctx, store, connection, "signals.clear", func(v View, m *ostiary.Mutation) error {
		_, there, err := v.Document(signalSourceKey(connection))
		if err != nil || !there {
			return orElse(err, notFound("signals of connection", connection))
		}
		m.Documents = append(m.Documents, remove(signalSourceKey(connection)), remove(signalUseKey(connection)), remove(signalStreamKey(connection)))
		return nil
	})
}

// SignalSource returns what was set for a connection, and what is known of its stream, or ErrNotFound.
func (s *Service) SignalSource(ctx context.Context, store, connection string) (g SignalSource, state SignalState, err error) {
	err = s.read(ctx, func(v View) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		if g, _, _, err = readSignalSource(v, connection); err != nil || g.Version == 0 {
			return orElse(err, notFound("signals of connection", connection))
		}
		used, there, err := v.Document(signalUseKey(connection))
		if err == nil && there {
			var body tokenUseBody
			body, err = decode[tokenUseBody](used)
			state.UsedNanos = body.UsedNanos
		}
		if err != nil {
			return err
		}
		stream, there, err := v.Document(signalStreamKey(connection))
		if err == nil && there {
			var body signalStreamBody
			body, err = decode[signalStreamBody](stream)
			state.VerifiedNanos, state.State, state.Stream = body.VerifiedNanos, body.State, body.Stream
		}
		return err
	})
	return g, state, err
}

// readSignalSource returns the source of a connection, of version 0 where there is none, with its document.
func readSignalSource(v View, connection string) (SignalSource, signalSourceBody, ostiary.Document, error) {
	g := SignalSource{Connection: connection}
	d, there, err := v.Document(signalSourceKey(connection))
	d.Key = signalSourceKey(connection)
	if err != nil || !there {
		return g, signalSourceBody{}, d, err
	}
	b, err := decode[signalSourceBody](d)
	return SignalSource{
		Connection: connection, Off: b.Off, Issuer: b.Issuer, Audience: b.Audience, SubjectIssuer: b.SubjectIssuer, Keys: b.Keys,
		KeysURL: b.KeysURL, Critical: b.Critical, Policy: b.Policy, PollURL: b.PollURL, Authorized: len(b.Authorization) > 0, Version: d.Version,
	}, b, d, err
}

// SignalPoll is a place from which SETs of a connection are to be fetched.
type SignalPoll struct {
	Connection string
	URL        string
	Token      string           // to show there; empty: none
	Version    ostiary.Revision // of the setting
}

// SignalPolls returns all places from which SETs are to be fetched, by connection.
func (s *Service) SignalPolls(ctx context.Context) (all []SignalPoll, err error) {
	err = s.read(ctx, func(v View) error {
		for d, err := range ostiary.EachDocument(ctx, v, signalSources, "") {
			if err != nil {
				return err
			}
			b, err := decode[signalSourceBody](d)
			if err != nil {
				return err
			}
			if b.PollURL == "" || b.Off {
				continue
			}
			p := SignalPoll{Connection: d.Key.Key, URL: b.PollURL, Version: d.Version}
			if len(b.PollToken) > 0 {
				x, err := s.secret(ctx)
				if err != nil {
					return err
				}
				token, err := open(newAEAD(x.pollKey(p.Connection)), p.Connection, b.PollToken)
				if err != nil {
					return err
				}
				p.Token = string(token)
			}
			all = append(all, p)
		}
		return nil
	})
	return all, err
}
