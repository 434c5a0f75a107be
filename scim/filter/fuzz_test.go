package filter

import (
	"reflect"
	"testing"
)

// Whatever parses prints so that it parses to the same thing.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`userName eq "bjensen"`, `emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]`,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J" and not (title pr)`,
		`emails[type eq "work"].value eq "a@b"`, `emails[type eq "work" and primary eq "true"]`, `id eq "g" and members eq "u"`,
		`active eq "False"`, `userName eq "\u0061\"\\"`, `meta.lastModified ge "2026-11-23T00:00:00.000Z" and not(title pr)`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "u"`, `members[value eq "u" or value eq "v"]`,
		`a eq -1.5e3 or (b ne null and c gt true)`, `externalId eq jyoung`,
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, unquoted bool) {
		e, err := Parse(text, Options{Unquoted: unquoted})
		if err != nil {
			return
		}
		again, err := Parse(Print(e), Options{MaxBytes: 1 << 20, MaxDepth: 100})
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, Print(e), err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%q prints as %q, which parses to\n%#v, not to\n%#v", text, Print(e), again, e)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, text := range []string{`members`, `name.familyName`, `members[value eq"2819c223"].display`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`, `emails[not (type pr)]`,
		`emails[type eq "work"].value`, `members[value eq "u1"]`, `addresses[type eq "work" and primary eq true].country`, `urn:x:y:Attr[a pr].b`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text, Options{})
		if err != nil {
			return
		}
		again, err := ParsePath(p.String(), Options{MaxBytes: 1 << 20, MaxDepth: 100})
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q prints as %q, which parses to\n%#v (%v), not to\n%#v", text, p, again, err, p)
		}
	})
}
