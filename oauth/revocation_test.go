package oauth_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/oauth"
)

// IDENTITY GTR-2: the metadata of a connection, and of no other issuer, name where people are logged out.
func TestMetadataOfRevocation(t *testing.T) {
	w := newWorld(t, func(o *oauth.Options, _ *egress.Options) { o.RevocationPrefix = "/gtr/" })
	for path, want := range map[string]string{
		"": "", prefix + w.connection.ID: public + "/gtr/" + w.connection.ID,
	} {
		var said struct {
			Endpoint string   `json:"global_token_revocation_endpoint"`
			Methods  []string `json:"global_token_revocation_endpoint_auth_methods_supported"`
		}
		r := w.send(http.MethodGet, oauth.MetadataPath+path, "")
		if err := json.Unmarshal(r.body, &said); r.status != http.StatusOK || err != nil || said.Endpoint != want || (len(said.Methods) == 2) != (want != "") {
			t.Errorf("%q: got %d %s, %v", path, r.status, r.body, err)
		}
	}
}
