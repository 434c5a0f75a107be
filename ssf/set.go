package ssf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ostiary/ostiary/internal/strictjson"
)

// SET is a security event token.
type SET struct {
	Issuer   string
	Audience []string
	ID       string // jti: unique by issuer
	Txn      string // may be empty
	// IssuedNanos is when it was made (iat).
	IssuedNanos int64
	Event       Event
	// Subject is whom or what the event is about: sub_id, or the subject within the event. Zero: nobody is named.
	Subject Subject
}

// Event is what has happened.
type Event struct {
	Type string // a URI, such as EventSessionRevoked
	// Nanos is when it has happened, or zero where the event does not say.
	Nanos int64
	// Claims are the members of the event, without its subject, as JSON.
	Claims map[string]json.RawMessage
}

// Text returns a claim of the event that is a text, and is empty where there is none.
func (e Event) Text(name string) string {
	s, _ := text(e.Claims[name])
	return s
}

// Bounds of a SET.
const (
	maxIDBytes    = 255
	maxAudience   = 20
	maxEventBytes = 255 // of the URI of a type
)

// Parse reads the claims of a SET, whose signature somebody else has judged, and whose type is Type. The error
// wraps ErrInvalid and says what is wrong.
func Parse(claims []byte) (SET, error) {
	var s SET
	if !utf8.Valid(claims) {
		return s, invalid("the claims are not UTF-8")
	}
	all, ok := strictjson.Members(claims)
	if !ok {
		return s, invalid("the claims are to be a JSON object without a member twice")
	}
	for _, name := range []string{"exp", "sub", "nonce"} {
		if _, there := all[name]; there {
			return s, invalid(name + " is there, which no SET has")
		}
	}
	if s.Issuer, ok = text(all["iss"]); !ok {
		return s, invalid("iss is missing")
	}
	if s.ID, ok = text(all["jti"]); !ok || len(s.ID) > maxIDBytes {
		return s, invalid("jti is missing, or has more than 255 bytes")
	}
	if s.Audience, ok = texts(all["aud"]); !ok {
		return s, invalid("aud is to be a text, or a list of up to 20")
	}
	if s.IssuedNanos, ok = seconds(all["iat"]); !ok {
		return s, invalid("iat is to be seconds since 1970")
	}
	s.Txn, _ = text(all["txn"])
	legacy, err := s.parseEvents(all["events"])
	if err != nil {
		return s, err
	}
	subject := legacy
	if id, there := all["sub_id"]; there {
		subject = id
	}
	if subject != nil {
		s.Subject, err = ParseSubject(subject)
	}
	return s, err
}

// parseEvents reads the one event, and returns the subject within it.
func (s *SET) parseEvents(raw []byte) (subject []byte, err error) {
	events, ok := strictjson.Members(raw)
	if !ok || len(events) != 1 {
		return nil, invalid("events is to be an object with one event")
	}
	for uri, payload := range events {
		claims, ok := strictjson.Members(payload)
		if !ok || uri == "" || len(uri) > maxEventBytes {
			return nil, invalid("the event is to be an object without a member twice, under a URI of up to 255 bytes")
		}
		s.Event = Event{Type: uri, Claims: claims}
		if raw, there := claims["event_timestamp"]; there {
			if s.Event.Nanos, ok = seconds(raw); !ok {
				return nil, invalid("event_timestamp is no time")
			}
		}
		if subject = claims["subject"]; subject != nil {
			delete(claims, "subject")
		}
	}
	return subject, nil
}

// Part returns a part of a complex subject.
func (s Subject) Part(name string) (Subject, bool) {
	part, there := s.Parts[name]
	return part, there
}

const (
	// milliseconds is where times are no seconds any more: Okta sends event_timestamp in milliseconds.
	milliseconds = 1e11
	// maxSeconds is a time in the year 2255: nanoseconds since 1970 do not reach much further.
	maxSeconds = 9e9
)

// seconds reads a time in seconds since 1970, or in milliseconds where it is too large for those.
func seconds(raw []byte) (nanos int64, ok bool) {
	var n float64
	if len(raw) == 0 || json.Unmarshal(raw, &n) != nil || bytes.Equal(raw, []byte("null")) || n < 0 || n > maxSeconds*1e3 {
		return 0, false
	}
	if n > milliseconds {
		return int64(n) * 1e6, true
	}
	if n > maxSeconds {
		return 0, false
	}
	return int64(n*1e3) * 1e6, true
}

// text returns a JSON text that is not empty nor too long.
func text(raw []byte) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || len(s) > maxSubjectText || strings.ContainsRune(s, 0) {
		return "", false
	}
	return s, s != ""
}

// texts returns a text, or a list of texts.
func texts(raw []byte) ([]string, bool) {
	if s, ok := text(raw); ok {
		return []string{s}, true
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxAudience {
		return nil, false
	}
	all := make([]string, 0, len(list))
	for _, one := range list {
		s, ok := text(one)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// Names reports whether the audience holds one of these.
func (s SET) Names(audience []string) bool {
	return slices.ContainsFunc(s.Audience, func(a string) bool { return slices.Contains(audience, a) })
}
