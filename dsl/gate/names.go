package gate

// The types of the identity module.
const (
	User         = "user"
	Client       = "client"
	Organization = "organization"
	Group        = "group"
	Role         = "role"
	Entitlement  = "entitlement"
	Session      = "session"
)

// The relations of the identity module.
const (
	Enabled         = "enabled"          // of an organization: whoever is missing passes nowhere
	DirectoryMember = "directory_member" // of an organization
	Invited         = "invited"          // of an organization
	Live            = "live"             // of an organization: by its sessions
	InOrganization  = "organization"     // of a group, role, entitlement or session
	Assigned        = "assigned"         // of a group: what the identity provider says
	Direct          = "direct"           // of a role or an entitlement: what was assigned

	Member   = "member"   // of an organization or a group: passes the gate
	Assignee = "assignee" // of a role: passes the gate
	Holder   = "holder"   // of an entitlement: passes the gate
)

// Names are what a model calls the parts that identity mutations write and read. A part whose name is empty
// is one that the model leaves out: Invited, Live, and Group, Role, Entitlement and Session by their Type.
// Names are immutable once made; Default returns those of the identity module.
type Names struct {
	User         string            `json:"user"`
	Organization OrganizationNames `json:"organization"`
	Group        GroupNames        `json:"group"`
	Role         AssignedNames     `json:"role"`
	Entitlement  AssignedNames     `json:"entitlement"`
	Session      SessionNames      `json:"session"`
	// InOrganization is the relation by which an object of the application's types says to which organization
	// it belongs.
	InOrganization string `json:"in_organization"`
}

// OrganizationNames are those of the type of organizations.
type OrganizationNames struct {
	Type            string `json:"type"`
	Enabled         string `json:"enabled"`
	DirectoryMember string `json:"directory_member"`
	Member          string `json:"member"`
	Invited         string `json:"invited"`
	Live            string `json:"live"`
}

// GroupNames are those of the type of groups.
type GroupNames struct {
	Type         string `json:"type"`
	Organization string `json:"organization"`
	Assigned     string `json:"assigned"`
	Member       string `json:"member"`
}

// AssignedNames are those of the type of roles, or of entitlements.
type AssignedNames struct {
	Type         string `json:"type"`
	Organization string `json:"organization"`
	Direct       string `json:"direct"`
	Holder       string `json:"holder"` // the assignee of a role
}

// SessionNames are those of the type of sessions, all of whose relations are raw.
type SessionNames struct {
	Type string `json:"type"`
}

var byModule = Names{
	User: User,
	Organization: OrganizationNames{
		Type: Organization, Enabled: Enabled, DirectoryMember: DirectoryMember, Member: Member, Invited: Invited, Live: Live},
	Group:          GroupNames{Type: Group, Organization: InOrganization, Assigned: Assigned, Member: Member},
	Role:           AssignedNames{Type: Role, Organization: InOrganization, Direct: Direct, Holder: Assignee},
	Entitlement:    AssignedNames{Type: Entitlement, Organization: InOrganization, Direct: Direct, Holder: Holder},
	Session:        SessionNames{Type: Session},
	InOrganization: InOrganization,
}

// Default returns the names of the identity module.
func Default() *Names { return &byModule }

// IsRaw reports whether a relation holds people who may not be enabled. All relations of a session do.
func (n *Names) IsRaw(typ, relation string) bool {
	switch typ {
	case "":
		return false
	case n.Session.Type:
		return true
	case n.Organization.Type:
		return relation != "" && (relation == n.Organization.DirectoryMember || relation == n.Organization.Invited)
	case n.Group.Type:
		return relation == n.Group.Assigned
	case n.Role.Type:
		return relation == n.Role.Direct
	case n.Entitlement.Type:
		return relation == n.Entitlement.Direct
	}
	return false
}

// IsManaged reports whether tuples of a relation are written by identity mutations alone.
func (n *Names) IsManaged(typ, relation string) bool {
	if typ != "" && typ == n.Organization.Type && relation != "" {
		return relation == n.Organization.Enabled || relation == n.Organization.Live || n.IsRaw(typ, relation)
	}
	return n.IsRaw(typ, relation) || n.IsWithin(typ) && relation == n.Belonging(typ)
}

// IsWithin reports whether objects of a type lie within one organization, whose id stands before a slash in
// theirs: groups, roles, entitlements and sessions.
func (n *Names) IsWithin(typ string) bool {
	return typ != "" && (typ == n.Group.Type || typ == n.Role.Type || typ == n.Entitlement.Type || typ == n.Session.Type)
}

// isGated reports whether every relation of a type but the raw ones must pass the gate.
func (n *Names) isGated(typ string) bool {
	return typ != "" && (typ == n.Organization.Type || n.IsWithin(typ) && typ != n.Session.Type)
}

// Belonging returns the relation that leads from an object of a type to its organization.
func (n *Names) Belonging(typ string) string {
	switch typ {
	case n.Group.Type:
		return n.Group.Organization
	case n.Role.Type:
		return n.Role.Organization
	case n.Entitlement.Type:
		return n.Entitlement.Organization
	case n.Session.Type:
		return InOrganization
	}
	return n.InOrganization
}

// Relation is a relation of a type.
type Relation struct{ Type, Name string }

// Managed lists the relations of which IsManaged, but for those of sessions, of which all are.
func (n *Names) Managed() []Relation {
	all := []Relation{{n.Organization.Type, n.Organization.Enabled}, {n.Organization.Type, n.Organization.DirectoryMember}}
	for _, optional := range []string{n.Organization.Invited, n.Organization.Live} {
		if optional != "" {
			all = append(all, Relation{n.Organization.Type, optional})
		}
	}
	if n.Group.Type != "" {
		all = append(all, Relation{n.Group.Type, n.Group.Organization}, Relation{n.Group.Type, n.Group.Assigned})
	}
	for _, a := range []AssignedNames{n.Role, n.Entitlement} {
		if a.Type != "" {
			all = append(all, Relation{a.Type, a.Organization}, Relation{a.Type, a.Direct})
		}
	}
	return all
}
