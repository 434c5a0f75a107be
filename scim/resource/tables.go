package resource

// The URNs of the schemas.
const (
	UserSchema        = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchema       = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseSchema  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	RoleSchema        = "urn:ietf:params:scim:schemas:core:2.0:Role"
	EntitlementSchema = "urn:ietf:params:scim:schemas:core:2.0:Entitlement"
	// Okta's own URNs for the same two.
	OktaRoleSchema        = "urn:okta:scim:schemas:core:1.0:Role"
	OktaEntitlementSchema = "urn:okta:scim:schemas:core:1.0:Entitlement"
)

// The kinds of resources. They are immutable.
var (
	User = newKind(Kind{
		Name: "User", Endpoint: "/Users", Description: "A person or an account.",
		Schema: userSchema(), Extensions: []*Schema{enterpriseSchema()},
		// Ostiary keeps no passwords: Okta sends one with every user that it creates.
		Dropped: []string{"password"},
	})
	Group = newKind(Kind{
		Name: "Group", Endpoint: "/Groups", Description: "A group of users and of other groups.",
		Schema: groupSchema(),
	})
	Role = newKind(Kind{
		Name: "Role", Endpoint: "/Roles", Description: "A role that users can be given.",
		Schema: grantSchema(RoleSchema, "Role"), Aliases: []string{OktaRoleSchema},
	})
	Entitlement = newKind(Kind{
		Name: "Entitlement", Endpoint: "/Entitlements", Description: "An entitlement that users can be given.",
		Schema: grantSchema(EntitlementSchema, "Entitlement"), Aliases: []string{OktaEntitlementSchema},
	})
)

// Kinds lists the kinds of resources in the order of ResourceTypes.
func Kinds() []*Kind { return []*Kind{User, Group, Role, Entitlement} }

type option func(*Attribute)

func required(a *Attribute)  { a.Required = true }
func caseExact(a *Attribute) { a.CaseExact = true }
func multi(a *Attribute)     { a.Multi = true }
func apart(a *Attribute)     { a.Apart = true }
func always(a *Attribute)    { a.Returned = Always }
func unique(a *Attribute)    { a.Unique = "server" }
func closed(a *Attribute)    { a.Closed = true }
func readOnly(a *Attribute) {
	a.Mutability = ReadOnly
	for _, s := range a.Sub {
		readOnly(s)
	}
}
func immutable(a *Attribute) { a.Mutability = Immutable }
func max(bytes int) option   { return func(a *Attribute) { a.MaxBytes = bytes } }
func canonical(values ...string) option {
	return func(a *Attribute) { a.Canonical = values }
}
func refers(to ...string) option {
	return func(a *Attribute) { a.References = to }
}

func attr(name string, t Type, description string, options ...option) *Attribute {
	a := &Attribute{Name: name, Type: t, Description: description, Mutability: ReadWrite, Returned: ByDefault, Unique: "none"}
	for _, o := range options {
		o(a)
	}
	return a
}

func text(name, description string, options ...option) *Attribute {
	return attr(name, String, description, options...)
}

func complexAttr(name, description string, sub []*Attribute, options ...option) *Attribute {
	a := &Attribute{Name: name, Type: Complex, Description: description, Mutability: ReadWrite, Returned: ByDefault, Unique: "none", Sub: sub}
	for _, o := range options {
		o(a)
	}
	return a
}

// plural returns a multi-valued attribute with the sub-attributes of RFC 7643, section 2.4.
func plural(name, description string, value *Attribute, types ...string) *Attribute {
	return complexAttr(name, description, []*Attribute{value,
		text("display", "A name to show people."),
		text("type", "What the value is for.", canonical(types...)),
		attr("primary", Boolean, "Whether this is the preferred value. True for one value at most."),
	}, multi)
}

// idBytes bounds the names by which resources are found.
const idBytes = 1024

func schemasAttr() *Attribute {
	return attr("schemas", Reference, "The schemas of the resource.", multi, caseExact, always, readOnly)
}

func idAttr() *Attribute {
	return text("id", "The id that the server gave the resource.", caseExact, readOnly, always, unique)
}

func externalIDAttr() *Attribute {
	return text("externalId", "The id that the client gave the resource.", caseExact, max(idBytes))
}

func metaAttr() *Attribute {
	return complexAttr("meta", "About the resource.", []*Attribute{
		text("resourceType", "The type of the resource.", caseExact),
		attr("created", DateTime, "When it was created."),
		attr("lastModified", DateTime, "When it was changed last."),
		attr("location", Reference, "Where it is.", caseExact),
		text("version", "Its version, as an entity tag.", caseExact),
	}, readOnly)
}

func userSchema() *Schema {
	return &Schema{ID: UserSchema, Name: "User", Description: "A user account.", Attributes: []*Attribute{
		text("userName", "The name by which the identity provider knows the user.", required, unique, max(idBytes)),
		complexAttr("name", "The parts of the user's name.", []*Attribute{
			text("formatted", "The full name, to be shown."),
			text("familyName", "The family name."),
			text("givenName", "The given name."),
			text("middleName", "The middle names."),
			text("honorificPrefix", "What goes before the name."),
			text("honorificSuffix", "What goes after the name."),
		}),
		text("displayName", "The name to show people."),
		text("nickName", "The casual name."),
		attr("profileUrl", Reference, "A page about the user.", refers("external")),
		text("title", "The title in the organization."),
		text("userType", "How user and organization are related."),
		text("preferredLanguage", "The language to speak to the user."),
		text("locale", "Where numbers and dates are concerned."),
		text("timezone", "The time zone, by its name."),
		attr("active", Boolean, "Whether the user may do anything at all."),
		plural("emails", "E-mail addresses.", text("value", "The address.", max(idBytes)), "work", "home", "other"),
		plural("phoneNumbers", "Telephone numbers.", text("value", "The number."), "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Addresses for instant messages.", text("value", "The address."), "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
		plural("photos", "Pictures of the user.", attr("value", Reference, "Where the picture is.", refers("external"), caseExact), "photo", "thumbnail"),
		complexAttr("addresses", "Postal addresses.", []*Attribute{
			text("formatted", "The whole address, to be shown."),
			text("streetAddress", "Street and house."),
			text("locality", "The town."),
			text("region", "The region."),
			text("postalCode", "The postal code."),
			text("country", "The country."),
			text("type", "What the address is for.", canonical("work", "home", "other")),
			attr("primary", Boolean, "Whether this is the preferred address. True for one at most."),
		}, multi),
		complexAttr("groups", "The groups that the user is in. Changed through the groups.", []*Attribute{
			text("value", "The id of the group.", caseExact),
			attr("$ref", Reference, "Where the group is.", refers("Group"), caseExact),
			text("display", "The name of the group."),
			text("type", "Whether the user is in the group itself.", canonical("direct", "indirect")),
		}, multi, apart, readOnly),
		plural("entitlements", "What the user has been given.", text("value", "The entitlement.", required, caseExact, max(idBytes))),
		plural("roles", "The roles of the user.", text("value", "The role.", required, caseExact, max(idBytes))),
		plural("x509Certificates", "Certificates of the user.",
			attr("value", Binary, "The certificate: DER in base64.", caseExact, max(64<<10))),
	}}
}

func enterpriseSchema() *Schema {
	return &Schema{ID: EnterpriseSchema, Name: "EnterpriseUser", Description: "A user within a company.", Attributes: []*Attribute{
		text("employeeNumber", "The number by which the company knows the user."),
		text("costCenter", "The cost centre."),
		text("organization", "The organization."),
		text("division", "The division."),
		text("department", "The department."),
		complexAttr("manager", "The user's manager.", []*Attribute{
			text("value", "The id of the manager.", caseExact, max(idBytes)),
			attr("$ref", Reference, "Where the manager is.", refers("User"), caseExact),
			text("displayName", "The name of the manager.", readOnly),
		}),
	}}
}

func groupSchema() *Schema {
	return &Schema{ID: GroupSchema, Name: "Group", Description: "A group.", Attributes: []*Attribute{
		text("displayName", "The name of the group.", required, max(idBytes)),
		complexAttr("members", "The members of the group.", []*Attribute{
			text("value", "The id of the member.", required, caseExact, immutable, max(idBytes)),
			attr("$ref", Reference, "Where the member is.", refers("User", "Group"), caseExact, immutable),
			text("type", "What the member is.", canonical("User", "Group"), closed, immutable),
			text("display", "The name of the member.", readOnly),
		}, multi, apart),
	}}
}

// grantSchema describes roles and entitlements: what draft-ietf-scim-roles-entitlements calls value and
// display, Okta calls id and displayName, and a resource has both.
func grantSchema(id, name string) *Schema {
	s := &Schema{ID: id, Name: name, Description: "What users can be given.", Attributes: []*Attribute{
		text("value", "What to send in a user's "+plurals[name]+".", required, caseExact, always),
		text("display", "The name to show people."),
		text("displayName", "The name to show people, under Okta's name.", always),
		text("type", "Which sort it is of."),
		text("description", "What it gives.", max(1000)),
		attr("supported", Boolean, "Whether it can be given now."),
	}}
	for _, a := range s.Attributes {
		readOnly(a)
	}
	return s
}

var plurals = map[string]string{"Role": "roles", "Entitlement": "entitlements"}
