package scim

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// discover answers with what the server says about itself.
func (c *call) discover() (answer, error) {
	if c.method != http.MethodGet {
		return answer{}, wrongMethod(http.MethodGet)
	}
	if _, filtered := c.params["filter"]; filtered {
		// RFC 7644, section 4.
		return answer{}, scimerr.New(http.StatusForbidden, "", "this endpoint cannot be filtered")
	}
	f, err := c.features()
	if err != nil {
		return answer{}, err
	}
	var docs []resource.Document
	switch {
	case c.path[0] == "ServiceProviderConfig" && len(c.path) == 1:
		return answer{status: http.StatusOK, body: f.Config()}, nil
	case c.path[0] == "ResourceTypes":
		docs = f.ResourceTypes()
	case c.path[0] == "Schemas":
		docs = f.Schemas()
	}
	switch len(c.path) {
	case 1:
		return answer{status: http.StatusOK, body: listOf(docs)}, nil
	case 2:
		for _, d := range docs {
			if strings.EqualFold(d.ID, c.path[1]) {
				return answer{status: http.StatusOK, body: d.JSON}, nil
			}
		}
	}
	return answer{}, noEndpoint()
}

// features says what the server offers, and which sorts of roles and entitlements the organization has. Every
// token may know them: what it may assign is not among them.
func (c *call) features() (resource.Features, error) {
	o := c.h.o
	connection := c.dir.Connection()
	v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return resource.Features{}, err
	}
	defer v.Close()
	catalogue, err := v.Catalogue()
	if err != nil {
		return resource.Features{}, err
	}
	var sorted []resource.Sort
	if connection.Kind == identity.KindOkta {
		sorted = sorts(catalogue)
	}
	return resource.Features{
		Sorts: sorted, RoleTypes: catalogue.Types(false), EntitlementTypes: catalogue.Types(true),
		Base: c.base, Bulk: true, MaxBulkOperations: o.MaxBulkOperations, MaxBulkBytes: int(o.MaxBodyBytes),
		MaxResults: o.Pages.MaxCount, DefaultPageSize: o.Pages.DefaultCount, CursorSeconds: int(o.CursorLifetime.Seconds()),
		Strict: c.dialect == resource.Strict, Okta: connection.Kind == identity.KindOkta,
		OAuth: o.OAuth,
	}, nil
}

func listOf(docs []resource.Document) []byte {
	resources := make([]json.RawMessage, len(docs))
	for i, d := range docs {
		resources[i] = d.JSON
	}
	body, _ := json.Marshal(struct { // valid JSON and numbers: it cannot fail
		Schemas   [1]string         `json:"schemas"`
		Total     int               `json:"totalResults"`
		Items     int               `json:"itemsPerPage"`
		Start     int               `json:"startIndex"`
		Resources []json.RawMessage `json:"Resources"`
	}{[1]string{resource.ListResponse}, len(docs), len(docs), 1, resources})
	return body
}
