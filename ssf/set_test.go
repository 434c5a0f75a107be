package ssf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ssf"
)

// claimsOf are the claims of a SET with one event, and with members after it.
func claimsOf(event, payload, more string) string {
	return fmt.Sprintf(`{"iss":"https://idp.test","aud":"https://rp.test","jti":"1","iat":1760000000,"events":{%q:%s}%s}`, event, payload, more)
}

// oktaSET is what Okta's transmitter sends: the subject within the event, and milliseconds.
var oktaSET = claimsOf(ssf.EventSessionRevoked, `{
	"current_ip_address": "1.2.3.4", "current_user_agent": "Mozilla", "event_timestamp": 1760000000123,
	"initiating_entity": "policy", "reason_admin": {"en": "Event message"},
	"subject": {"user": {"format": "iss_sub", "iss": "https://idp.test", "sub": "00u1"},
		"device": {"format": "opaque", "id": "d1"}, "tenant": {"format": "opaque", "id": "00o1"}}}`, "")

// IDENTITY d.1.
func TestParse(t *testing.T) {
	s, err := ssf.Parse([]byte(oktaSET))
	if err != nil {
		t.Fatal(err)
	}
	user, _ := s.Subject.Part(ssf.PartUser)
	device, _ := s.Subject.Part(ssf.PartDevice)
	if s.Subject.Format != ssf.FormatComplex || user.Issuer != "https://idp.test" || user.Subject != "00u1" || device.ID != "d1" {
		t.Errorf("subject %+v", s.Subject)
	}
	if s.Event.Nanos != 1760000000123e6 || s.IssuedNanos != 1760000000e9 || s.Event.Text("initiating_entity") != "policy" ||
		ssf.Name(s.Event.Type) != "session-revoked" || !s.Names([]string{"x", "https://rp.test"}) || s.Names([]string{"x"}) {
		t.Errorf("got %+v", s)
	}
	s, err = ssf.Parse([]byte(claimsOf("https://other.test/event", `{"event_timestamp":1760000000}`, `,"sub_id":{"format":"phone_number","phone_number":"+1"},"txn":"t"`)))
	if err != nil || s.Event.Nanos != 1760000000e9 || s.Subject.Format != "phone_number" || s.Txn != "t" || ssf.Name(s.Event.Type) != "" {
		t.Errorf("got %+v, %v", s, err)
	}
	// The subject outside the event counts.
	s, err = ssf.Parse([]byte(claimsOf(ssf.EventSessionRevoked, `{"subject":{"format":"opaque","id":"a"}}`, `,"sub_id":{"format":"opaque","id":"b"}`)))
	if err != nil || s.Subject.ID != "b" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// IDENTITY d.1: what no SET has.
func TestParseRefuses(t *testing.T) {
	good := claimsOf(ssf.EventSessionRevoked, `{}`, "")
	for name, text := range map[string]string{
		"expiry":           claimsOf(ssf.EventSessionRevoked, `{}`, `,"exp":1860000000`),
		"sub":              claimsOf(ssf.EventSessionRevoked, `{}`, `,"sub":"x"`),
		"nonce":            claimsOf(ssf.EventSessionRevoked, `{}`, `,"nonce":"x"`),
		"time of no year":  claimsOf(ssf.EventSessionRevoked, `{"event_timestamp":20000000000}`, ""),
		"issued never":     strings.Replace(good, `"iat":1760000000`, `"iat":20000000000`, 1),
		"no issuer":        strings.Replace(good, `"iss"`, `"Iss"`, 1),
		"no id":            strings.Replace(good, `"jti":"1"`, `"jti":""`, 1),
		"long id":          strings.Replace(good, `"jti":"1"`, `"jti":"`+strings.Repeat("x", 256)+`"`, 1),
		"no audience":      strings.Replace(good, `"aud":"https://rp.test"`, `"aud":[]`, 1),
		"audience number":  strings.Replace(good, `"aud":"https://rp.test"`, `"aud":[1]`, 1),
		"no time":          strings.Replace(good, `1760000000`, `null`, 1),
		"time as text":     strings.Replace(good, `1760000000`, `"1760000000"`, 1),
		"time before 1970": strings.Replace(good, `1760000000`, `-1`, 1),
		"no event":         `{"iss":"https://idp.test","aud":"a","jti":"1","iat":1}`,
		"two events":       claimsOf(ssf.EventSessionRevoked, `{},"x":{}`, ""),
		"event no object":  claimsOf(ssf.EventSessionRevoked, `1`, ""),
		"claim twice":      claimsOf(ssf.EventSessionRevoked, `{}`, `,"iss":"https://idp.test"`),
		"event time":       claimsOf(ssf.EventSessionRevoked, `{"event_timestamp":"now"}`, ""),
		"subject":          claimsOf(ssf.EventSessionRevoked, `{"subject":"x"}`, ""),
		"text after it":    good + "{}",
		"no JSON":          "x",
		"empty":            "",
	} {
		if s, err := ssf.Parse([]byte(text)); !errors.Is(err, ssf.ErrInvalid) {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
	if _, err := ssf.Parse([]byte(good)); err != nil {
		t.Error(err)
	}
}

func TestParseSubject(t *testing.T) {
	for text, good := range map[string]bool{
		`{"format":"iss_sub","iss":"https://i","sub":"s"}`:                                         true,
		`{"subject_type":"iss-sub","iss":"https://i","sub":"s"}`:                                   true,
		`{"format":"email","email":"a@b"}`:                                                         true,
		`{"format":"aliases","identifiers":[{"format":"opaque","id":"x"}]}`:                        true,
		`{"format":"complex","user":{"format":"opaque","id":"x"},"x":{"format":"uri","uri":"x"}}`:  true,
		`{"format":"complex","user":{"format":"aliases","identifiers":[{"format":"did"}]}}`:        true,
		`{"format":"iss_sub","iss":"https://i"}`:                                                   false,
		`{"format":"email","email":1}`:                                                             false,
		`{"format":"email","email":"` + strings.Repeat("x", 1025) + `"}`:                           false,
		`{"format":"opaque","id":"x","id":"y"}`:                                                    false,
		`{"format":"aliases","identifiers":[]}`:                                                    false,
		`{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[{"format":"x"}]}]}`: false,
		`{"format":"complex","user":{"format":"complex","user":{"format":"opaque","id":"x"}}}`:     false,
		`{"format":"complex","user":{"user":{"format":"opaque","id":"x"}}}`:                        false,
		`{"format":"complex"}`: false,
		`{"user":"x"}`:         false,
		`{}`:                   false,
		`[]`:                   false,
	} {
		if s, err := ssf.ParseSubject([]byte(text)); (err == nil) != good {
			t.Errorf("%s: got %+v, %v", text, s, err)
		}
	}
}

// Whatever is read, what is returned is whole (V1), and no error repeats what was read (V3).
func FuzzParse(f *testing.F) {
	f.Add([]byte(oktaSET))
	f.Add([]byte(claimsOf(ssf.EventSessionRevoked, `{}`, `,"sub_id":{"format":"aliases","identifiers":[{"format":"email","email":"a@b"}]}`)))
	f.Add([]byte(claimsOf(ssf.EventVerification, `{"state":"x"}`, `,"exp":1`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ssf.Parse(data)
		if err != nil {
			if !errors.Is(err, ssf.ErrInvalid) || len(err.Error()) > 120 {
				t.Errorf("error %v", err)
			}
			return
		}
		if s.Issuer == "" || s.ID == "" || len(s.Audience) == 0 || s.Event.Type == "" || s.IssuedNanos < 0 || s.Event.Nanos < 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// A subject that is taken has what its format asks for, and is not nested.
func FuzzParseSubject(f *testing.F) {
	f.Add([]byte(`{"format":"complex","user":{"format":"aliases","identifiers":[{"format":"opaque","id":"x"}]},"device":{"format":"opaque","id":"d"}}`))
	f.Add([]byte(`{"user":{"format":"iss_sub","iss":"https://i","sub":"s"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ssf.ParseSubject(data)
		if err != nil {
			return
		}
		judge(t, s, 0)
	})
}

func judge(t *testing.T, s ssf.Subject, depth int) {
	t.Helper()
	if depth > 2 || s.Format == "" || len(s.Aliases)+len(s.Parts) > 20 {
		t.Fatalf("got %+v", s)
	}
	switch s.Format {
	case ssf.FormatIssuerSubject:
		if s.Issuer == "" || s.Subject == "" {
			t.Errorf("got %+v", s)
		}
	case ssf.FormatComplex, ssf.FormatAliases:
		if len(s.Aliases)+len(s.Parts) == 0 {
			t.Errorf("got %+v", s)
		}
	}
	for _, one := range s.Aliases {
		judge(t, one, depth+1)
	}
	for _, one := range s.Parts {
		judge(t, one, depth+1)
	}
}
