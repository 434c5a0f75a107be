package patch

import (
	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Members is a change of the members of a group. Afterwards the members are those that were there, none of
// them when Clear is set, without those of Remove, and with those of Add.
type Members struct {
	Clear  bool
	Add    []resource.Item // by Value, no two alike; Type is User, Group or empty
	Remove []string
}

// IsZero reports whether nothing is said about members.
func (m Members) IsZero() bool { return !m.Clear && len(m.Add) == 0 && len(m.Remove) == 0 }

// members follows the operations of a request in their order.
type members struct {
	clear bool
	state map[string]*resource.Item // nil: to be removed
	order []string                  // the ids of state as they came, some twice
}

func newMembers() *members { return &members{state: map[string]*resource.Item{}} }

func (m *members) add(it resource.Item) {
	m.note(it.Value)
	m.state[it.Value] = &it
}

func (m *members) remove(id string) {
	m.note(id)
	m.state[id] = nil
}

func (m *members) note(id string) {
	if _, known := m.state[id]; !known {
		m.order = append(m.order, id)
	}
}

func (m *members) removeAll() { *m = *newMembers(); m.clear = true }

func (m *members) delta() Members {
	d := Members{Clear: m.clear}
	for _, id := range m.order {
		switch it := m.state[id]; {
		case it != nil:
			d.Add = append(d.Add, *it)
		case !m.clear:
			d.Remove = append(d.Remove, id)
		}
	}
	return d
}

// membership makes a change of members of an operation whose target is kept apart.
func (p *parser) membership(v verb, name string, path filter.Path, target resource.Target, value any, valued bool) error {
	if path.Attr.Sub != "" {
		return scimerr.Bad(scimerr.Mutability, "the parts of one of the %q cannot be changed: remove it and add another", name)
	}
	if path.Filter != nil {
		return p.chosenMembers(v, name, path.Filter)
	}
	if v == remove && (!valued || value == nil) {
		p.members.removeAll()
		return nil
	}
	if v == remove && p.dialect == resource.Strict {
		return scimerr.Bad(scimerr.InvalidSyntax, "remove takes no \"value\": write %s[value eq \"…\"] as the path", name)
	}
	read, err := target.Value(value)
	if err != nil {
		return err
	}
	items := resource.ItemsOf(read)
	switch v {
	case remove: // Entra: those alone, and none when the list is empty
		for _, it := range items {
			p.members.remove(it.Value)
		}
	case replace:
		p.members.removeAll()
		fallthrough
	default:
		for _, it := range items {
			p.members.add(it)
		}
	}
	return nil
}

func (p *parser) chosenMembers(v verb, name string, e filter.Expr) error {
	if v != remove {
		return scimerr.Bad(scimerr.Mutability, "one of the %q cannot be changed: remove it and add another", name)
	}
	ids, err := resource.Chosen(e)
	if err != nil {
		return err
	}
	for _, id := range ids {
		p.members.remove(id)
	}
	return nil
}
