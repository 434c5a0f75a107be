package fakeidp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// SCIM is a client of a SCIM endpoint that asks as Okta does.
type SCIM struct {
	URL    string // of the connection: https://authz.example.com/scim/v2/c01…
	Token  string
	Client *http.Client // nil: http.DefaultClient
}

// Person is who is provisioned.
type Person struct {
	UserName   string
	ExternalID string // Okta's id of the person
	GivenName  string
	FamilyName string
	Email      string // empty: the user name
}

const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// Send asks below the URL.
func (s *SCIM) Send(ctx context.Context, method, path string, body any) (Answer, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return Answer{}, fmt.Errorf("encode the body: %w", err)
		}
	}
	return send(ctx, s.Client, method, strings.TrimSuffix(s.URL, "/")+path, "application/scim+json", "Bearer "+s.Token, text)
}

// Find returns the id of who has a user name, and nothing where nobody has it.
func (s *SCIM) Find(ctx context.Context, userName string) (id string, err error) {
	query := url.Values{"filter": {`userName eq "` + strings.ReplaceAll(userName, `"`, `\"`) + `"`}, "startIndex": {"1"}, "count": {"100"}}
	a, err := s.Send(ctx, http.MethodGet, "/Users?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	if err := a.Want("look for "+userName, http.StatusOK); err != nil {
		return "", err
	}
	var list struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"`
	}
	if err := json.Unmarshal(a.Body, &list); err != nil {
		return "", fmt.Errorf("look for %s: read the answer: %w", userName, err)
	}
	if len(list.Resources) == 0 {
		return "", nil
	}
	return list.Resources[0].ID, nil
}

// Create looks for a person by the user name and, where there is none, creates the person. It returns the id that the
// server gave.
func (s *SCIM) Create(ctx context.Context, p Person) (id string, a Answer, err error) {
	if id, err = s.Find(ctx, p.UserName); err != nil || id != "" {
		if err == nil {
			err = fmt.Errorf("create %s: there is one already, with the id %s", p.UserName, id)
		}
		return id, a, err
	}
	email := p.Email
	if email == "" {
		email = p.UserName
	}
	body := map[string]any{
		"schemas": []string{userSchema}, "userName": p.UserName,
		"name":        map[string]string{"givenName": p.GivenName, "familyName": p.FamilyName},
		"emails":      []any{map[string]any{"primary": true, "value": email, "type": "work"}},
		"displayName": strings.TrimSpace(p.GivenName + " " + p.FamilyName), "locale": "en-US",
		"externalId": p.ExternalID, "groups": []any{}, "active": true,
	}
	if a, err = s.Send(ctx, http.MethodPost, "/Users", body); err != nil {
		return "", a, err
	}
	if err := a.Want("create "+p.UserName, http.StatusCreated); err != nil {
		return "", a, err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(a.Body, &made); err != nil || made.ID == "" {
		return "", a, fmt.Errorf("create %s: the answer has no id: %s", p.UserName, a.Body)
	}
	return made.ID, a, nil
}

// SetActive deactivates or reactivates a person.
func (s *SCIM) SetActive(ctx context.Context, id string, active bool) (Answer, error) {
	a, err := s.Send(ctx, http.MethodPatch, "/Users/"+url.PathEscape(id), map[string]any{
		"schemas":    []string{patchSchema},
		"Operations": []any{map[string]any{"op": "replace", "value": map[string]any{"active": active}}},
	})
	if err != nil {
		return a, err
	}
	return a, a.Want(fmt.Sprintf("set active of %s to %t", id, active), http.StatusOK, http.StatusNoContent)
}

// Delete deletes a person. (Okta deactivates and never does; others do.)
func (s *SCIM) Delete(ctx context.Context, id string) (Answer, error) {
	a, err := s.Send(ctx, http.MethodDelete, "/Users/"+url.PathEscape(id), nil)
	if err != nil {
		return a, err
	}
	return a, a.Want("delete "+id, http.StatusNoContent)
}
