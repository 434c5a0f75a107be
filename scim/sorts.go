package scim

import (
	"strings"
	"unicode"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/resource"
)

// Okta takes each sort of entitlement for a type of resources: one whose schema is Okta's URN of entitlements,
// with an endpoint of its own. The type of an entitlement is the name of that resource type. What has no sort
// is of the resource type Entitlement, at /Entitlements.

// sorts returns the resource types of the entitlements of a catalogue, for Okta.
func sorts(k *identity.Catalogue) []resource.Sort {
	taken := map[string]bool{}
	for _, name := range []string{"User", "Group", "Role", "Entitlement", "Me", "Bulk", "Schemas", "ResourceTypes", "ServiceProviderConfig"} {
		taken[strings.ToLower(name)], taken[strings.ToLower(name)+"s"] = true, true
	}
	var all []resource.Sort
	for _, label := range k.Types(true) {
		endpoint := endpointOf(label)
		name, path := strings.ToLower(label), strings.ToLower(endpoint)
		if endpoint == "" || taken[name] || taken[path] {
			continue // its entitlements are among those without a sort
		}
		taken[name], taken[path] = true, true
		all = append(all, resource.Sort{Name: label, Endpoint: "/" + endpoint})
	}
	return all
}

// endpointOf returns a label in the form of a path: "Workspace role" is WorkspaceRole. It is empty where nothing
// is left of it.
func endpointOf(label string) string {
	var b strings.Builder
	begins := true
	for _, r := range label {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			begins = true
		case begins:
			b.WriteRune(unicode.ToUpper(r))
			begins = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// inSort reports whether an entitlement is of a sort, or of none where name is empty.
func inSort(all []resource.Sort, name string, r identity.Role) bool {
	for _, s := range all {
		if s.Name == r.Type {
			return s.Name == name
		}
	}
	return name == ""
}

// inEndpoint tells which roles or entitlements of a catalogue an endpoint lists, given the name of the sort
// that it is for: for Okta those of the sort, for others all.
func (c *call) inEndpoint(k *identity.Catalogue, kind *resource.Kind, sort string) func(identity.Role) bool {
	if kind != resource.Entitlement || c.dir.Connection().Kind != identity.KindOkta {
		return func(identity.Role) bool { return true }
	}
	all := sorts(k)
	return func(r identity.Role) bool { return inSort(all, sort, r) }
}

// sortAt returns the name of the sort whose endpoint is a path.
func (c *call) sortAt(path string) (string, bool, error) {
	if c.dir.Connection().Kind != identity.KindOkta {
		return "", false, nil
	}
	v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return "", false, err
	}
	defer v.Close()
	k, err := v.Catalogue()
	if err != nil {
		return "", false, err
	}
	for _, s := range sorts(k) {
		if s.Endpoint == "/"+path {
			return s.Name, true, nil
		}
	}
	return "", false, nil
}
