package filter

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParsePrintsCanonically(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"rfc eq", `userName eq "bjensen"`, `userName eq "bjensen"`},
		{"rfc sub", `name.familyName co "O'Malley"`, `name.familyName co "O'Malley"`},
		{"rfc urn", `urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`, `urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`},
		{"rfc pr", `title pr`, `title pr`},
		{"rfc gt", `meta.lastModified gt "2011-05-13T04:42:34Z"`, `meta.lastModified gt "2011-05-13T04:42:34Z"`},
		{"rfc or", `title pr or userType eq "Intern"`, `title pr or userType eq "Intern"`},
		{"rfc urn value", `schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, `schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`},
		{"rfc parentheses", `userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`,
			`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`},
		{"rfc not", `userType ne "Employee" and not (emails co "example.com")`, `userType ne "Employee" and not (emails co "example.com")`},
		{"rfc value path", `emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`,
			`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`},
		{"precedence", `a pr or b pr and c pr or not(d pr)`, `a pr or b pr and c pr or not (d pr)`},
		{"parentheses that say nothing", `((a pr) and ((b pr) and c pr)) or (d pr or e pr)`, `a pr and b pr and c pr or d pr or e pr`},
		{"operators in any case", `userName EQ "x" AND Not (a Pr) oR b GE 2`, `userName eq "x" and not (a pr) or b ge 2`},
		{"spaces", `  userName   eq   "x"   and   (  b pr  )  `, `userName eq "x" and b pr`},
		{"no space before a string", `value eq"1"`, `value eq "1"`},
		{"no space around parentheses", `(a pr)and(b pr)`, `a pr and b pr`},
		{"Entra's sub-attribute after a filter", `emails[type eq "work"].value eq "a@b"`, `emails[type eq "work" and value eq "a@b"]`},
		{"the same after an or", `emails[type eq "work" or type eq "home"].value pr`, `emails[(type eq "work" or type eq "home") and value pr]`},
		{"the same after an and", `emails[type eq "work" and primary eq true].value pr and a pr`, `emails[type eq "work" and primary eq true and value pr] and a pr`},
		{"Entra's membership probe", `id eq "G" and members eq "U"`, `id eq "G" and members eq "U"`},
		{"literals", `a eq true or a eq false or a eq null or a eq -1.5e3`, `a eq true or a eq false or a eq null or a eq -1.5e3`},
		{"escapes", `a eq "x\"y\\z\u00e9\n<&>"`, `a eq "x\"y\\zé\n<&>"`},
		{"$ref", `members[$ref eq "x"]`, `members[$ref eq "x"]`},
		{"an attribute called not", `not eq "x"`, `not eq "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Parse(tt.text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := Print(e); got != tt.want {
				t.Fatalf("got  %s\nwant %s", got, tt.want)
			}
			again, err := Parse(Print(e), Options{})
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("the canonical text parses to %#v (%v), not to %#v", again, err, e)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
		offset           int
	}{
		{"nothing", ``, "expected the name of an attribute", 0},
		{"an operator that is none", `userName is "x"`, "expected one of pr, eq", 9},
		{"no value", `userName eq`, "expected a space and a value", 11},
		{"no value after a space", `userName eq `, "expected a value", 12},
		{"a word", `userName eq bjensen`, "in double quotes", 12},
		{"single quotes", `userName eq 'b'`, "in double quotes", 12},
		{"an open string", `userName eq "b`, "not closed", 12},
		{"an open string after a backslash", `userName eq "b\`, "not closed", 12},
		{"a bad escape", `userName eq "\q"`, "not JSON", 12},
		{"a control character", "userName eq \"\x01\"", "not JSON", 12},
		{"an open parenthesis", `(a pr`, "expected ')'", 5},
		{"a parenthesis too many", `a pr)`, "unexpected text", 4},
		{"brackets in brackets", `a[b[c pr]]`, "may not hold another", 3},
		{"brackets after a sub-attribute", `a.b[c pr]`, "no values to choose from", 3},
		{"an empty filter", `a[]`, "expected the name of an attribute", 2},
		{"two subs", `a.b.c pr`, "expected the name of an attribute", 0},
		{"a URI that is no URN", `http:a pr`, "not the URN", 0},
		{"a digit first", `1a pr`, "expected the name of an attribute", 0},
		{"and alone", `a pr and`, "needs a space", 8},
		{"two terms", `a pr b pr`, "unexpected text", 5},
		{"not without parentheses", `not a pr`, "expected one of", 4},
		{"a number that is none", `a eq 01`, "in double quotes", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Parse(tt.text, Options{})
			var at *Error
			if !errors.As(err, &at) {
				t.Fatalf("got %v and error %v", e, err)
			}
			if !strings.Contains(err.Error(), tt.want) || at.Offset != tt.offset {
				t.Errorf("got %q at %d, want %q at %d", err, at.Offset, tt.want, tt.offset)
			}
		})
	}
}

func TestParseUnquoted(t *testing.T) {
	tests := []struct{ text, want string }{
		{`externalId eq jyoung`, `externalId eq "jyoung"`},
		{`(externalId eq j.young@example.com)`, `externalId eq "j.young@example.com"`},
		{`active eq True and a eq 12x`, `active eq "True" and a eq "12x"`},
		{`externalId eq 0012`, `externalId eq "0012"`},
		{`active eq true and a eq 12`, `active eq true and a eq 12`},
	}
	for _, tt := range tests {
		e, err := Parse(tt.text, Options{Unquoted: true})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := Print(e); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	o := Options{MaxBytes: 100, MaxDepth: 3, MaxTerms: 4}
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"length at the limit", `a eq "` + strings.Repeat("x", 93) + `"`, true},
		{"length above it", `a eq "` + strings.Repeat("x", 94) + `"`, false},
		{"depth at the limit", `((b[a pr]))`, true},
		{"depth above it", `(((b[a pr])))`, false},
		{"depth of negations", `not(not(not(not(a pr))))`, false},
		{"depth does not add up side by side", `(a pr) and (b pr) and (c pr) and (d pr)`, true},
		{"terms at the limit", `a pr or b pr or c pr or d pr`, true},
		{"terms above it", `a pr or b pr or c pr or d pr or e pr`, false},
	}
	for _, tt := range tests {
		if _, err := Parse(tt.text, o); (err == nil) != tt.ok {
			t.Errorf("%s: got error %v", tt.name, err)
		}
	}
	deep := strings.Repeat("(", 1_000_000)
	if _, err := Parse(deep, Options{MaxBytes: len(deep)}); err == nil {
		t.Error("a million parentheses parsed")
	}
}

func TestParsePath(t *testing.T) {
	tests := []struct {
		text string
		want Path
	}{
		{`members`, Path{Attr: AttrPath{Name: "members"}}},
		{`name.familyName`, Path{Attr: AttrPath{Name: "name", Sub: "familyName"}}},
		{`addresses[type eq "work"]`, Path{Attr: AttrPath{Name: "addresses"},
			Filter: Compare{AttrPath{Name: "type"}, Equal, Value{String, "work"}}}},
		{`members[value eq "2819c223"].displayName`, Path{Attr: AttrPath{Name: "members", Sub: "displayName"},
			Filter: Compare{AttrPath{Name: "value"}, Equal, Value{String, "2819c223"}}}},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`,
			Path{Attr: AttrPath{URI: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", Name: "manager", Sub: "value"}}},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`,
			Path{Attr: AttrPath{URI: "urn:ietf:params:scim:schemas:extension:enterprise:2.0", Name: "User"}}},
	}
	for _, tt := range tests {
		got, err := ParsePath(tt.text, Options{})
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, error %v", tt.text, got, err)
		}
		if got.String() != tt.text {
			t.Errorf("%s: prints as %s", tt.text, got)
		}
	}
	for _, text := range []string{``, `members[`, `members[]`, `members[value eq "1"`, `members[value eq "1"]x`,
		`members[value eq "1"].a.b`, `members.`, `.a`, `a b`, `a.b[c pr]`, `members[value eq "1"]. a`, `members pr`} {
		if got, err := ParsePath(text, Options{}); err == nil {
			t.Errorf("%q parses to %#v", text, got)
		}
	}
}

func TestParseAttr(t *testing.T) {
	if got, err := ParseAttr(" emails.value "); err != nil || got != (AttrPath{Name: "emails", Sub: "value"}) {
		t.Errorf("got %#v, error %v", got, err)
	}
	for _, text := range []string{"", "a,b", "a[b pr]", "a pr"} {
		if got, err := ParseAttr(text); err == nil {
			t.Errorf("%q parses to %#v", text, got)
		}
	}
}
