package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// A body is refused in SCIM's words, or becomes a resource that can be kept, read again and answered.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(samples, "*.json"))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(userBody(`"active":"True","emails":{"value":"a"},"roles":["r"],"` + EnterpriseSchema + `":{"manager":"u"}`)))
	f.Add([]byte(userBody(`"password":"x","groups":[],"id":"mine","meta":{"version":"W/\"1\""},"emails":[{"primary":"True","value":"a@b"}],"title":null`)))
	f.Add([]byte(`{"schemas":["` + GroupSchema + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"g","members":null}`))
	f.Add([]byte(`{"schemas":["` + GroupSchema + `"],"displayName":"g","members":[{"value":"u1","type":"user"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := ParseObject(body)
		if err != nil {
			refused(t, err)
			return
		}
		for _, k := range Kinds() {
			for _, d := range []Dialect{Compat, Strict} {
				r, _, err := k.Read(o, d)
				if err != nil {
					refused(t, err)
					continue
				}
				loaded, err := k.Load(r.Store())
				if err != nil || !loaded.Equal(r) {
					t.Fatalf("kept as %s and read as %s, error %v", r.Store(), loaded.Store(), err)
				}
				if answer := r.AppendJSON(nil, Projection{}); !json.Valid(answer) || !bytes.Equal(answer, loaded.AppendJSON(nil, Projection{})) {
					t.Fatalf("answered as %s, and when read again as %s", answer, loaded.AppendJSON(nil, Projection{}))
				}
			}
		}
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	var refusal *scimerr.Error
	if !errors.As(err, &refusal) || refusal.Status != 400 || refusal.Type == "" || refusal.Detail == "" {
		t.Fatalf("refused with %v", err)
	}
}

// A filter that parses is refused in SCIM's words or answers, and its keys are what every match has.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{`userName eq "ann"`, `emails[type eq "work" and value co "@"] or title pr`, `meta.lastModified gt "2011-05-13T04:42:34Z"`,
		`groups eq "g" and not (active eq False)`, EnterpriseSchema + `:manager.value eq "u2"`, `schemas eq "urn:x"`} {
		f.Add(text)
	}
	r, _, err := User.Read(&Object{Fields: []Field{{"schemas", []any{UserSchema}}, {"userName", "ann"}, {"active", "true"},
		{"emails", []any{&Object{Fields: []Field{{"value", "a@b"}, {"type", "work"}}}}}}}, Compat)
	if err != nil {
		f.Fatal(err)
	}
	apart := func(_, value string) (bool, error) { return value == "g", nil }
	f.Fuzz(func(t *testing.T, text string) {
		e, err := filter.Parse(text, filter.Options{Unquoted: true})
		if err != nil {
			return
		}
		for _, d := range []Dialect{Compat, Strict} {
			fl, err := User.Filter(e, d)
			if err != nil {
				refused(t, err)
				continue
			}
			matches, err := fl.Match(r, apart)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range fl.Keys() {
				if k.Attr == "userName" && k.Value != "ann" && matches {
					t.Fatalf("%s matches ann and has the key %v", text, k)
				}
			}
		}
	})
}
