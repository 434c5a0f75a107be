package identity_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// provider is a setting that is good.
func (w *world) provider() identity.OIDCIssuer {
	return identity.OIDCIssuer{Connection: w.connection.ID, Issuer: issuer, ClientIDs: []string{"portal"}, SubjectClaim: "sub"}
}

func TestOIDCIssuer(t *testing.T) {
	w := newWorld(t)
	if _, err := w.service.OIDCIssuer(t.Context(), store, w.connection.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("before it was set: %v", err)
	}
	if _, o, err := w.service.OIDCIssuerOf(t.Context(), w.connection.ID); err != nil || o.Version != 0 {
		t.Errorf("before it was set: got %+v, %v", o, err)
	}
	want := identity.OIDCIssuer{
		Connection: w.connection.ID, Issuer: issuer, ClientIDs: []string{"a", "b"}, KeysURL: issuer + "/keys",
		Algorithms: []string{"ES256"}, SubjectClaim: "oid", MaxLife: time.Hour, Layer: identity.LayerIDP,
	}
	set, err := w.service.SetOIDCIssuer(w.ctx(), store, want)
	if err != nil {
		t.Fatal(err)
	}
	want.Version = set.Version
	got, err := w.service.OIDCIssuer(t.Context(), store, w.connection.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if c, got, err := w.service.OIDCIssuerOf(t.Context(), w.connection.ID); err != nil || c.ID != w.connection.ID || !reflect.DeepEqual(got, want) {
		t.Errorf("by the connection alone: got %+v, %v", got, err)
	}
	if got, err = w.service.SetOIDCIssuer(w.ctx(), store, w.provider()); err != nil || got.Algorithms[0] != identity.DefaultOIDCAlgorithm || got.Layer != identity.LayerApp {
		t.Errorf("the defaults: got %+v, %v", got, err)
	}
	if _, err := w.service.ClearOIDCIssuer(w.ctx(), store, w.connection.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.ClearOIDCIssuer(w.ctx(), store, w.connection.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("cleared twice: %v", err)
	}
	if _, _, err := w.service.OIDCIssuerOf(t.Context(), "c01m824qgqx05kcwex3kxbcecwz"); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("of no connection: %v", err)
	}
}

func TestOIDCIssuerRefused(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*identity.OIDCIssuer){
		"no issuer":              func(o *identity.OIDCIssuer) { o.Issuer = "" },
		"an issuer with a query": func(o *identity.OIDCIssuer) { o.Issuer += "?a=b" },
		"no clients":             func(o *identity.OIDCIssuer) { o.ClientIDs = nil },
		"empty clients":          func(o *identity.OIDCIssuer) { o.ClientIDs = []string{""} },
		"two places of keys":     func(o *identity.OIDCIssuer) { o.Keys, o.KeysURL = []byte("{}"), issuer },
		"no algorithm":           func(o *identity.OIDCIssuer) { o.Algorithms = []string{"none"} },
		"a secret's algorithm":   func(o *identity.OIDCIssuer) { o.Algorithms = []string{"RS256", "HS256"} },
		"e-mail as the subject":  func(o *identity.OIDCIssuer) { o.SubjectClaim = "email" },
		"a name as the subject":  func(o *identity.OIDCIssuer) { o.SubjectClaim = "Preferred_Username" },
		"no claim":               func(o *identity.OIDCIssuer) { o.SubjectClaim = "a b" },
		"no layer":               func(o *identity.OIDCIssuer) { o.Layer = "cookie" },
		"a short life":           func(o *identity.OIDCIssuer) { o.MaxLife = time.Second },
		"a long life":            func(o *identity.OIDCIssuer) { o.MaxLife = identity.MaxSessionLife + 1 },
	} {
		o := w.provider()
		change(&o)
		if _, err := w.service.SetOIDCIssuer(w.ctx(), store, o); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := w.service.SetOIDCIssuer(w.ctx(), "other", w.provider()); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("in another store: %v", err)
	}
}

// Logins make nobody where SCIM does, or has done.
func TestJustInTimeBesideSCIM(t *testing.T) {
	w := newWorld(t)
	set := func(connection string) error {
		o := w.provider()
		o.Connection, o.JustInTime = connection, true
		_, err := w.service.SetOIDCIssuer(w.ctx(), store, o)
		return err
	}
	if err := set(w.connection.ID); !errors.Is(err, identity.ErrManagedBySCIM) {
		t.Errorf("with a token: got %v", err)
	}
	plain := w.connect("acme").ID
	if err := set(plain); err != nil {
		t.Errorf("without anything: %v", err)
	}
	revoking := w.connect("acme").ID
	if _, _, err := w.service.CreateToken(w.ctx(), store, revoking, identity.Token{Name: "t", Scopes: []identity.Scope{identity.ScopeRevoke}}); err != nil {
		t.Fatal(err)
	}
	if err := set(revoking); err != nil {
		t.Errorf("with a token that only logs out: %v", err)
	}
	client := w.connect("acme").ID
	if _, _, err := w.service.CreateClient(w.ctx(), store, client, identity.Client{Name: "c", Method: identity.ClientSecret}); err != nil {
		t.Fatal(err)
	}
	if err := set(client); !errors.Is(err, identity.ErrManagedBySCIM) {
		t.Errorf("with a client: got %v", err)
	}
	w.user("ann")
	tokens, err := w.service.Tokens(t.Context(), store, w.connection.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		must(t)(w.service.RevokeToken(w.ctx(), store, w.connection.ID, token.ID))
	}
	if err := set(w.connection.ID); !errors.Is(err, identity.ErrManagedBySCIM) {
		t.Errorf("with people and no token any more: got %v", err)
	}
}
