package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func TestNormalDomain(t *testing.T) {
	for text, want := range map[string]string{
		"example.com": "example.com", "Example.COM.": "example.com", "bücher.example": "xn--bcher-kva.example",
		"ｅｘａｍｐｌｅ.com": "example.com", "a.b.example.co.uk": "a.b.example.co.uk", "acme.internal": "acme.internal", "github.io": "github.io",
	} {
		if got, err := identity.NormalDomain(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", "com", "localhost", "co.uk", "example..com", "-a.com", "a_b.com", "exa mple.com", "example.com/x", "10.0.0.1", "[::1]", "a@b.com",
		strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 120) + "com", "*.example.com", "example.com\x00", "example.com..",
	} {
		if got, err := identity.NormalDomain(text); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// zone answers as the DNS does.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	broken  error
}

func (z *zone) set(name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = records
}

func (z *zone) lookUp(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	records, ok := z.records[name]
	switch {
	case z.broken != nil:
		return nil, z.broken
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return records, nil
}

// domainWorld is a world with a second organization, whose service asks a zone.
func domainWorld(t *testing.T) (*world, *zone) {
	w := newWorld(t)
	z := &zone{records: map[string][]string{}}
	w.service = identity.New(backend{w.raft}, identity.Options{LookUpTXT: z.lookUp})
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	return w, z
}

func (w *world) addDomain(organization, name string) identity.Domain {
	w.t.Helper()
	d, _, err := w.service.AddDomain(w.ctx(), store, organization, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestDomainByDNS(t *testing.T) {
	w, z := domainWorld(t)
	d := w.addDomain("acme", "Example.com")
	if d.Name != "example.com" || d.RecordName != "_ostiary-challenge.example.com" || len(d.RecordText) < 48 || d.VerifiedNanos != 0 {
		t.Fatalf("got %+v", d)
	}
	before := w.revision()
	if again := w.addDomain("acme", "example.com."); again != d || w.revision() != before {
		t.Errorf("added again: %+v, and not %+v", again, d)
	}
	// Who says the same of the domain gets another record.
	other := w.addDomain("other", "example.com")
	if other.RecordText == d.RecordText {
		t.Error("two organizations have one challenge")
	}
	verify := func(organization string) error {
		got, _, err := w.service.VerifyDomain(w.ctx(), store, organization, "example.com", false)
		if err == nil && (got.VerifiedNanos == 0 || got.Confirmed || got.VerifiedBy != "preshared:test") {
			t.Errorf("got %+v", got)
		}
		return err
	}
	unproven := func(why string) {
		t.Helper()
		if err := verify("acme"); !errors.Is(err, identity.ErrUnproven) {
			t.Errorf("%s: %v", why, err)
		}
		if _, err := w.service.Discover(w.ctx(), store, "ann@example.com"); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("%s, and found: %v", why, err)
		}
	}
	unproven("without a record")
	z.set("_ostiary-challenge.example.com.", "v=spf1 -all", other.RecordText)
	unproven("with another's record")
	z.set("example.com.", d.RecordText)
	unproven("with a record at another name")
	z.set("_ostiary-challenge.example.com.", append(slices.Repeat([]string{"x"}, 100), d.RecordText)...)
	unproven("with a hundred records before")
	z.broken = errors.New("server misbehaving")
	unproven("with a resolver that fails")
	z.broken = nil
	z.set("_ostiary-challenge.example.com.", "v=spf1 -all", d.RecordText, other.RecordText)
	if err := verify("acme"); err != nil {
		t.Fatal(err)
	}
	before = w.revision()
	z.set("_ostiary-challenge.example.com.")
	if err := verify("acme"); err != nil || w.revision() != before {
		t.Errorf("verified again: %v", err)
	}
	z.set("_ostiary-challenge.example.com.", other.RecordText)
	if err := verify("other"); !errors.Is(err, ostiary.ErrExists) || !strings.Contains(err.Error(), `"acme"`) {
		t.Errorf("verified for two organizations: %v", err)
	}
	if _, _, err := w.service.VerifyDomain(w.ctx(), store, "other", "example.com", true); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("confirmed for a second organization: %v", err)
	}
	must(t)(w.service.RemoveDomain(w.ctx(), store, "acme", "EXAMPLE.com"))
	if all, err := w.service.Domains(w.ctx(), store, "acme"); err != nil || len(all) != 0 {
		t.Errorf("removed, and there are %+v, %v", all, err)
	}
	if err := verify("other"); err != nil {
		t.Errorf("after the first one let it go: %v", err)
	}
	if err := verify("acme"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("verified what was removed: %v", err)
	}
}

func TestDomainByWord(t *testing.T) {
	w, z := domainWorld(t)
	z.broken = errors.New("nobody is asked")
	w.addDomain("acme", "example.com")
	d, _, err := w.service.VerifyDomain(w.ctx(), store, "acme", "example.com", true)
	if err != nil || !d.Confirmed || d.VerifiedNanos == 0 || d.VerifiedBy != "preshared:test" {
		t.Errorf("got %+v, %v", d, err)
	}
	if all, err := w.service.Domains(w.ctx(), store, "acme"); err != nil || len(all) != 1 || all[0] != d {
		t.Errorf("listed %+v, %v", all, err)
	}
}

// Of two organizations that verify a domain at once one has it.
func TestDomainVerifiedTwiceAtOnce(t *testing.T) {
	w, _ := domainWorld(t)
	w.addDomain("acme", "example.com")
	w.addDomain("other", "example.com")
	service := w.meddled(func() { must(t)(first(w.service.VerifyDomain(w.ctx(), store, "other", "example.com", true))) })
	if _, _, err := service.VerifyDomain(w.ctx(), store, "acme", "example.com", true); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("got %v", err)
	}
	if found, err := w.service.Discover(w.ctx(), "", "ann@example.com"); err != nil || found.Organization.ID != "other" {
		t.Errorf("got %+v, %v", found, err)
	}
}

// A proof is of one challenge: a domain that is removed and added again while it is looked up is not verified.
func TestDomainAddedAgainWhileVerified(t *testing.T) {
	w, _ := domainWorld(t)
	d := w.addDomain("acme", "example.com")
	service := identity.New(backend{w.raft}, identity.Options{LookUpTXT: func(context.Context, string) ([]string, error) {
		must(t)(w.service.RemoveDomain(w.ctx(), store, "acme", "example.com"))
		w.addDomain("acme", "example.com")
		return []string{d.RecordText}, nil
	}})
	if _, _, err := service.VerifyDomain(w.ctx(), store, "acme", "example.com", false); !errors.Is(err, ostiary.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func first[A, B any](a A, _ B, err error) (A, error) { return a, err }

func TestDomainRefusals(t *testing.T) {
	w, _ := domainWorld(t)
	fill := &ostiary.Mutation{}
	for i := range 100 {
		fill.Documents = append(fill.Documents, ostiary.DocumentChange{
			Key: ostiary.DocumentKey{Collection: "domain/S/acme", Key: fmt.Sprintf("d%d.example", i)}, Body: []byte(`{"form":1}`)})
	}
	w.propose(fill)
	for name, c := range map[string]struct {
		store, organization, domain string
		want                        error
	}{
		"one too many":        {store, "acme", "example.com", ostiary.ErrTooBroad},
		"of no organization":  {store, "nobody", "example.com", ostiary.ErrNotFound},
		"of no store":         {"T", "acme", "example.com", ostiary.ErrNotFound},
		"that is a suffix":    {store, "other", "co.uk", ostiary.ErrTupleInvalid},
		"that is an address":  {store, "other", "10.0.0.1", ostiary.ErrTupleInvalid},
		"that is nothing":     {store, "other", "", ostiary.ErrTupleInvalid},
		"that is one label":   {store, "other", "localhost", ostiary.ErrTupleInvalid},
		"with a slash in it":  {store, "other", "example.com/x", ostiary.ErrTupleInvalid},
		"of an id with slash": {store, "a/b", "example.com", ostiary.ErrNotFound},
	} {
		if _, _, err := w.service.AddDomain(w.ctx(), c.store, c.organization, c.domain); !errors.Is(err, c.want) {
			t.Errorf("a domain %s: %v", name, err)
		}
	}
	if _, _, err := w.service.VerifyDomain(w.ctx(), store, "other", "example.com", true); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("verified what nobody added: %v", err)
	}
	if _, err := w.service.RemoveDomain(w.ctx(), store, "other", "example.com"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("removed what nobody added: %v", err)
	}
	if _, err := w.service.Domains(w.ctx(), store, "nobody"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("listed what nobody has: %v", err)
	}
}

// An organization takes its domains with it.
func TestDomainsOfDeletedOrganization(t *testing.T) {
	w, _ := domainWorld(t)
	w.addDomain("other", "example.com")
	w.addDomain("other", "example.org")
	must(t)(first(w.service.VerifyDomain(w.ctx(), store, "other", "example.com", true)))
	// It is deleted while one more is verified: either way nothing stays.
	service := w.meddled(func() { must(t)(first(w.service.VerifyDomain(w.ctx(), store, "other", "example.org", true))) })
	must(t)(service.DeleteOrganization(w.ctx(), store, "other"))
	for _, name := range []string{"example.com", "example.org"} {
		w.addDomain("acme", name)
		must(t)(first(w.service.VerifyDomain(w.ctx(), store, "acme", name, true)))
	}
}
