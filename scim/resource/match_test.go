package resource

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

func compile(k *Kind, text string, d Dialect) (*Filter, error) {
	e, err := filter.Parse(text, filter.Options{Unquoted: d == Compat})
	if err != nil {
		return nil, err
	}
	return k.Filter(e, d)
}

func TestMatch(t *testing.T) {
	r := user(t, `"externalId":"Ab","title":"Tour Guide","active":true,"name":{"familyName":"O'Malley"},
		"emails":[{"value":"Ann@Example.com","type":"work","primary":true},{"value":"ann@home.org","type":"home"}],
		"`+EnterpriseSchema+`":{"department":"Sales","manager":{"value":"u2"}}`)
	r.SetMeta("u1", Meta{Modified: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)})
	tests := []struct {
		filter string
		want   bool
	}{
		{`userName eq "ANN"`, true},
		{`username EQ "bob"`, false},
		{`externalId eq "Ab"`, true},
		{`externalId eq "ab"`, false}, // caseExact
		{`id eq "u1"`, true},
		{`name.familyName co "malley"`, true},
		{`title sw "tour" and title ew "GUIDE"`, true},
		{`title pr and not (nickName pr)`, true},
		{`nickName eq null and title ne null`, true},
		{`nickName ne "x"`, true},
		{`title ne "tour guide"`, false},
		{`active eq true`, true},
		{`active eq "True"`, true},
		{`active eq False`, false},
		{`active ne true`, false},
		{`emails eq "ann@home.org"`, true},
		{`emails.value eq "ann@home.org"`, true},
		{`emails[type eq "work" and value eq "ann@example.com"]`, true},
		{`emails[type eq "work" and value eq "ann@home.org"]`, false},
		{`emails.type eq "work" and emails.value eq "ann@home.org"`, true},
		{`emails[type eq "work"].value eq "ann@example.com"`, true},
		{`emails[primary eq true and type eq "home"]`, false},
		{`emails ne "ann@home.org"`, true}, // another one is not
		{`phoneNumbers ne "1"`, true},
		{`phoneNumbers[value eq null]`, false},
		{`meta.lastModified gt "2026-01-31T12:30:00+01:00"`, true},
		{`meta.lastModified ge "2026-01-31T12:00:00Z" and meta.lastModified le "2026-01-31T12:00:00Z"`, true},
		{`meta.lastModified lt "2026-01-31T12:00:00Z"`, false},
		{`title gt "tour" and title lt "z"`, true},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann"`, true},
		{EnterpriseSchema + `:department eq "sales"`, true},
		{EnterpriseSchema + `:manager eq "u2" and ` + EnterpriseSchema + `:manager.value eq "u2"`, true},
		{EnterpriseSchema + ` pr`, true},
		{`department eq "sales"`, false}, // an extension's attribute without its URN
		{`schemas eq "` + UserSchema + `"`, true},
		{`schemas eq "` + EnterpriseSchema + `"`, true},
		{`schemas eq "urn:x:y"`, false},
		{`shoeSize eq 7`, false},
		{`not (shoeSize eq 7)`, true},
		{`groups eq "g1" and groups.value eq "g1" and groups[value eq "g1"]`, true},
		{`groups.value eq "g2"`, false},
		{`userName eq "bob" or groups.value eq "g1"`, true},
	}
	apart := func(attr, value string) (bool, error) { return attr == "groups" && value == "g1", nil }
	for _, tt := range tests {
		f, err := compile(User, tt.filter, Compat)
		if err != nil {
			t.Errorf("%s: %v", tt.filter, err)
			continue
		}
		if got, err := f.Match(r, apart); err != nil || got != tt.want {
			t.Errorf("%s: got %v, error %v", tt.filter, got, err)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	tests := []struct {
		filter  string
		dialect Dialect
		kind    *Kind
	}{
		{`active gt true`, Compat, User},
		{`active co "t"`, Compat, User},
		{`active eq "maybe"`, Compat, User},
		{`active eq "true"`, Strict, User},
		{`x509Certificates.value gt "a"`, Compat, User},
		{`meta.created eq "yesterday"`, Compat, User},
		{`meta.created co "2026"`, Compat, User},
		{`title gt null`, Compat, User},
		{`title eq true`, Compat, User},
		{`title eq 7`, Strict, User},
		{`name eq "x"`, Compat, User},
		{`title[value eq "x"]`, Compat, User},
		{`shoeSize eq 7`, Strict, User},
		{`emails[size eq 7]`, Strict, User},
		{`schemas co "urn"`, Compat, User},
		{`members[type eq "User"]`, Compat, Group},
		{`members[value eq "1" and type eq "User"]`, Compat, Group},
		{`members ne "1"`, Compat, Group},
		{`members pr`, Compat, Group},
		{`members.display eq "x"`, Compat, Group},
	}
	for _, tt := range tests {
		if _, err := compile(tt.kind, tt.filter, tt.dialect); !errors.Is(err, scimerr.Bad(scimerr.InvalidFilter, "")) {
			t.Errorf("%s: got %v", tt.filter, err)
		}
	}
}

func TestFilterKeys(t *testing.T) {
	tests := []struct {
		kind   *Kind
		filter string
		want   []Key
	}{
		{User, `userName eq "ANN"`, []Key{{"userName", "ann"}}},
		{User, `EXTERNALID eq "Ab" and active eq true`, []Key{{"externalId", "Ab"}}},
		{User, `emails[type eq "work" and value eq "A@b"]`, []Key{{"emails.type", "work"}, {"emails.value", "a@b"}}},
		{User, `emails eq "a"`, []Key{{"emails.value", "a"}}},
		{User, `userName eq "a" or userName eq "b"`, nil},
		{User, `not (userName eq "a")`, nil},
		{User, `userName ne "a" and title co "b" and nickName eq null`, nil},
		{Group, `id eq "g" and members eq "u"`, []Key{{"id", "g"}, {"members.value", "u"}}},
	}
	for _, tt := range tests {
		f, err := compile(tt.kind, tt.filter, Compat)
		if err != nil || !reflect.DeepEqual(f.Keys(), tt.want) {
			t.Errorf("%s: got %v, want %v (%v)", tt.filter, f.Keys(), tt.want, err)
		}
	}
}

// An answer that could not be had is an error, whatever stands around it.
func TestMatchPassesErrorsOn(t *testing.T) {
	broken := errors.New("disk on fire")
	apart := func(string, string) (bool, error) { return false, broken }
	for _, text := range []string{`groups eq "g"`, `not (groups eq "g")`, `groups eq "g" or userName eq "ann"`, `userName eq "ann" and groups eq "g"`} {
		f, err := compile(User, text, Compat)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Match(user(t, ``), apart); !errors.Is(err, broken) || got {
			t.Errorf("%s: got %v, error %v", text, got, err)
		}
	}
}
