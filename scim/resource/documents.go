package resource

import (
	"encoding/json"
	"net/url"
)

// The URNs of the messages and of the documents about the server itself.
const (
	ListResponse          = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	SearchRequest         = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	PatchOp               = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	BulkRequest           = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	BulkResponse          = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	ServiceProviderConfig = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	ResourceTypeSchema    = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	SchemaSchema          = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Features says what a server offers, for its ServiceProviderConfig.
type Features struct {
	Base              string // the URL of the connection, without a slash at its end
	Bulk              bool
	MaxBulkOperations int
	MaxBulkBytes      int
	MaxResults        int // of one page
	DefaultPageSize   int
	CursorSeconds     int // how long a cursor is good for; zero: no cursors
	OAuth             bool
	Strict            bool
	Okta              bool // name roles and entitlements by Okta's URNs
	// The sorts of roles and entitlements that there are.
	RoleTypes, EntitlementTypes []string
	// Sorts are resource types of entitlements, where each sort is one.
	Sorts []Sort
}

// Sort is a resource type whose resources are entitlements of one type.
type Sort struct {
	Name     string // the type
	Endpoint string // with a slash before it
}

type supported struct {
	Supported bool `json:"supported"`
}

type scheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Primary     bool   `json:"primary"`
}

type documentMeta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// Config returns the ServiceProviderConfig document: RFC 7643, section 5, RFC 9865, section 5, and
// draft-ietf-scim-roles-entitlements.
func (f Features) Config() []byte {
	type bulk struct {
		Supported bool `json:"supported"`
		MaxOps    int  `json:"maxOperations"`
		MaxBytes  int  `json:"maxPayloadSize"`
	}
	type filters struct {
		Supported  bool `json:"supported"`
		MaxResults int  `json:"maxResults"`
	}
	type pagination struct {
		Cursor        bool   `json:"cursor"`
		Index         bool   `json:"index"`
		Default       string `json:"defaultPaginationMethod"`
		DefaultSize   int    `json:"defaultPageSize"`
		MaxSize       int    `json:"maxPageSize"`
		CursorTimeout int    `json:"cursorTimeout,omitempty"`
	}
	type grants struct {
		Supported    bool     `json:"supported"`
		Roles        bool     `json:"multipleRolesSupported,omitempty"`
		Entitlements bool     `json:"multipleEntitlementsSupported,omitempty"`
		Primary      bool     `json:"primarySupported"`
		Typed        bool     `json:"typeSupported"`
		Types        []string `json:"types"`
	}
	type rolesAndEntitlements struct {
		Roles        grants `json:"roles"`
		Entitlements grants `json:"entitlements"`
	}
	given := rolesAndEntitlements{
		grants{Supported: true, Roles: true, Typed: true, Types: append([]string{}, f.RoleTypes...)},
		grants{Supported: true, Entitlements: true, Typed: true, Types: append([]string{}, f.EntitlementTypes...)},
	}
	var schemes []scheme
	if !f.Strict { // tokens that operators make open no connection of the strict dialect
		schemes = append(schemes, scheme{"oauthbearertoken", "Bearer token", "A token of the connection in the Authorization header.", true})
	}
	if f.OAuth || f.Strict {
		schemes = append(schemes, scheme{"oauth2", "OAuth 2.0", "An access token from the client credentials grant.", f.Strict})
	}
	return document(struct {
		Schemas    []string             `json:"schemas"`
		Patch      supported            `json:"patch"`
		Bulk       bulk                 `json:"bulk"`
		Filter     filters              `json:"filter"`
		Password   supported            `json:"changePassword"`
		Sort       supported            `json:"sort"`
		ETag       supported            `json:"etag"`
		Pagination pagination           `json:"pagination"`
		Grants     rolesAndEntitlements `json:"RolesAndEntitlements"`
		Schemes    []scheme             `json:"authenticationSchemes"`
		Profile    bool                 `json:"interopProfileConformant,omitempty"`
		Meta       documentMeta         `json:"meta"`
	}{
		Schemas:    []string{ServiceProviderConfig},
		Patch:      supported{true},
		Bulk:       bulk{f.Bulk, f.MaxBulkOperations, f.MaxBulkBytes},
		Filter:     filters{true, f.MaxResults},
		Sort:       supported{true},
		ETag:       supported{true},
		Pagination: pagination{f.CursorSeconds > 0, true, "index", f.DefaultPageSize, f.MaxResults, f.CursorSeconds},
		Grants:     given,
		Schemes:    schemes,
		Profile:    f.Strict,
		Meta:       documentMeta{"ServiceProviderConfig", f.Base + "/ServiceProviderConfig"},
	})
}

// ResourceTypes returns the resource types by name, in the order of Kinds, and then the sorts.
func (f Features) ResourceTypes() []Document {
	type extension struct {
		Schema   string `json:"schema"`
		Required bool   `json:"required"`
	}
	var docs []Document
	add := func(name, endpoint, description, schema string, extensions []extension) {
		docs = append(docs, Document{name, document(struct {
			Schemas     []string     `json:"schemas"`
			ID          string       `json:"id"`
			Name        string       `json:"name"`
			Endpoint    string       `json:"endpoint"`
			Description string       `json:"description"`
			Schema      string       `json:"schema"`
			Extensions  []extension  `json:"schemaExtensions"`
			Meta        documentMeta `json:"meta"`
		}{
			Schemas: []string{ResourceTypeSchema}, ID: name, Name: name, Endpoint: endpoint,
			Description: description, Schema: schema, Extensions: extensions,
			Meta: documentMeta{"ResourceType", f.Base + "/ResourceTypes/" + url.PathEscape(name)},
		})})
	}
	for _, k := range Kinds() {
		extensions := []extension{}
		for _, x := range k.Extensions {
			extensions = append(extensions, extension{x.ID, false})
		}
		add(k.Name, k.Endpoint, k.Description, f.urn(k), extensions)
	}
	for _, s := range f.Sorts {
		add(s.Name, s.Endpoint, Entitlement.Description, f.urn(Entitlement), []extension{})
	}
	return docs
}

// urn returns the name under which the identity provider knows the schema of a kind.
func (f Features) urn(k *Kind) string {
	if f.Okta && len(k.Aliases) > 0 {
		return k.Aliases[0]
	}
	return k.Schema.ID
}

// Schemas returns the schemas by URN: of every kind under each of its names, and of the extensions.
func (f Features) Schemas() []Document {
	var docs []Document
	for _, k := range Kinds() {
		docs = append(docs, f.schema(k.Schema, k.Schema.ID))
		for _, alias := range k.Aliases {
			docs = append(docs, f.schema(k.Schema, alias))
		}
		for _, x := range k.Extensions {
			docs = append(docs, f.schema(x, x.ID))
		}
	}
	return docs
}

// Document is a document about the server with its id.
type Document struct {
	ID   string
	JSON json.RawMessage
}

type attributeDocument struct {
	Name        string              `json:"name"`
	Type        Type                `json:"type"`
	Multi       bool                `json:"multiValued"`
	Description string              `json:"description"`
	Required    bool                `json:"required"`
	CaseExact   *bool               `json:"caseExact,omitempty"`
	Canonical   []string            `json:"canonicalValues,omitempty"`
	Mutability  Mutability          `json:"mutability"`
	Returned    Returned            `json:"returned"`
	Unique      string              `json:"uniqueness"`
	References  []string            `json:"referenceTypes,omitempty"`
	Sub         []attributeDocument `json:"subAttributes,omitempty"`
}

func (f Features) schema(s *Schema, id string) Document {
	return Document{id, document(struct {
		Schemas     []string            `json:"schemas"`
		ID          string              `json:"id"`
		Name        string              `json:"name"`
		Description string              `json:"description"`
		Attributes  []attributeDocument `json:"attributes"`
		Meta        documentMeta        `json:"meta"`
	}{
		Schemas: []string{SchemaSchema}, ID: id, Name: s.Name, Description: s.Description,
		Attributes: f.describe(s, s.Attributes), Meta: documentMeta{"Schema", f.Base + "/Schemas/" + id},
	})}
}

func (f Features) describe(s *Schema, attributes []*Attribute) []attributeDocument {
	var docs []attributeDocument
	for _, a := range attributes {
		d := attributeDocument{Name: a.Name, Type: a.Type, Multi: a.Multi, Description: a.Description, Required: a.Required,
			Canonical: a.Canonical, Mutability: a.Mutability, Returned: a.Returned, Unique: a.Unique,
			References: a.References, Sub: f.describe(s, a.Sub)}
		if types := f.typesOf(s, a); len(types) > 0 {
			setCanonical(&d, types)
		}
		if a.Type == String || a.Type == Reference || a.Type == Binary {
			d.CaseExact = &a.CaseExact
		}
		docs = append(docs, d)
	}
	return docs
}

// typesOf returns the sorts of roles or entitlements that an attribute is about.
func (f Features) typesOf(s *Schema, a *Attribute) []string {
	switch {
	case s == Role.Schema || s == User.Schema && a.Name == "roles":
		return f.RoleTypes
	case s == Entitlement.Schema || s == User.Schema && a.Name == "entitlements":
		return f.EntitlementTypes
	}
	return nil
}

// setCanonical gives an attribute that is called type, or its sub-attribute of that name, the values that are usual.
func setCanonical(d *attributeDocument, types []string) {
	if d.Name == "type" {
		d.Canonical = types
	}
	for i := range d.Sub {
		setCanonical(&d.Sub[i], types)
	}
}

// document marshals what is made of strings, numbers and booleans, which cannot fail.
func document(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("resource: " + err.Error())
	}
	return data
}
