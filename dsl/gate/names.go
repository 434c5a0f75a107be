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

// The relations of the identity module that identity mutations write.
const (
	Enabled         = "enabled"          // of an organization: whoever is missing passes nowhere
	DirectoryMember = "directory_member" // of an organization
	Invited         = "invited"          // of an organization
	Live            = "live"             // of an organization: by its sessions
	InOrganization  = "organization"     // of a group, role, entitlement or session
	Assigned        = "assigned"         // of a group: what the identity provider says
	Direct          = "direct"           // of a role or an entitlement: what was assigned
)

// raw lists the relations that hold people who may not be enabled. All relations of a session are raw.
var raw = map[string][]string{
	Organization: {DirectoryMember, Invited},
	Group:        {Assigned},
	Role:         {Direct},
	Entitlement:  {Direct},
}

// IsRaw reports whether a relation of the identity module holds people who may not be enabled.
func IsRaw(typ, relation string) bool {
	if typ == Session {
		return true
	}
	for _, r := range raw[typ] {
		if r == relation {
			return true
		}
	}
	return false
}

// IsManaged reports whether tuples of a relation are written by identity mutations alone.
func IsManaged(typ, relation string) bool {
	switch typ {
	case Organization:
		return relation == Enabled || relation == Live || IsRaw(typ, relation)
	case Group, Role, Entitlement:
		return relation == InOrganization || IsRaw(typ, relation)
	}
	return typ == Session
}

// isGated reports whether every relation of a type but the raw ones must pass the gate.
func isGated(typ string) bool {
	return typ == Organization || typ == Group || typ == Role || typ == Entitlement
}

// Managed lists the relations of which IsManaged, but for those of sessions, of which all are.
func Managed() [][2]string {
	return [][2]string{
		{Organization, Enabled}, {Organization, DirectoryMember}, {Organization, Invited}, {Organization, Live},
		{Group, InOrganization}, {Group, Assigned}, {Role, InOrganization}, {Role, Direct},
		{Entitlement, InOrganization}, {Entitlement, Direct},
	}
}
