package identity

import (
	"slices"

	"github.com/ostiary/ostiary"
)

// Gate is what stands against a person. The zero Gate is nothing.
type Gate struct {
	// Deleted: the id is nobody's any more, and denied for ever.
	Deleted bool
	// Waiting: the person's connection has not synchronized since a restore, so that nobody knows whether the
	// person was deactivated or deleted meanwhile. Denied like one who was deleted.
	Waiting bool
	// Organizations in which the person is disabled or blocked, sorted.
	Organizations []string
	blocked       []string // those in which the person is blocked, sorted
}

// Closed reports whether the person passes in an organization; an empty one stands for an object that
// belongs to no organization, or to several.
func (g Gate) Closed(organization string) bool {
	if g.Deleted || g.Waiting || organization == "" && len(g.Organizations) > 0 {
		return true
	}
	_, closed := slices.BinarySearch(g.Organizations, organization)
	return closed
}

// IsOpen reports whether nothing stands against the person anywhere.
func (g Gate) IsOpen() bool { return !g.Deleted && !g.Waiting && len(g.Organizations) == 0 }

// With returns what stands against a person by either of two gates.
func (g Gate) With(other Gate) Gate {
	g.Deleted, g.Waiting = g.Deleted || other.Deleted, g.Waiting || other.Waiting
	g.Organizations = slices.Concat(g.Organizations, other.Organizations)
	slices.Sort(g.Organizations)
	g.Organizations = slices.Compact(g.Organizations)
	return g
}

type gateBody struct {
	form
	DeletedNanos  int64                `json:"deleted,omitempty"`
	Organizations map[string]gateState `json:"organizations,omitempty"`
}

// gateState is what stands against a person in one organization.
type gateState struct {
	// DisabledBy is the connection that deactivated the person.
	DisabledBy string `json:"disabled_by,omitempty"`
	// BlockedNanos is when an operator blocked the person. No connection lifts it.
	BlockedNanos int64 `json:"blocked,omitempty"`
}

// GateOf returns what stands against a person of a store whose gate is on. It reads one document, which most
// people do not have. Of those who wait Waits tells.
func GateOf(v Documents, store, user string) (Gate, error) {
	d, there, err := v.Document(gateKey(store, user))
	if err != nil || !there {
		return Gate{}, err
	}
	return decodeGate(d)
}

func decodeGate(d ostiary.Document) (Gate, error) {
	body, err := decode[gateBody](d)
	if err != nil {
		return Gate{}, err
	}
	g := Gate{Deleted: body.DeletedNanos != 0}
	for o, state := range body.Organizations {
		g.Organizations = append(g.Organizations, o)
		if state.BlockedNanos != 0 {
			g.blocked = append(g.blocked, o)
		}
	}
	slices.Sort(g.Organizations)
	slices.Sort(g.blocked)
	return g, nil
}

// gateChange changes what stands against a person, as part of a mutation.
type gateChange struct {
	document ostiary.Document
	there    bool
	body     gateBody
	changed  bool
}

func readGate(v View, store, user string) (*gateChange, error) {
	d, there, err := v.Document(gateKey(store, user))
	if err != nil {
		return nil, err
	}
	g := &gateChange{document: d, there: there, body: gateBody{form: form{bodyForm}}}
	g.document.Key = gateKey(store, user)
	if there {
		if g.body, err = decode[gateBody](d); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *gateChange) deleted() bool { return g.body.DeletedNanos != 0 }

func (g *gateChange) state(organization string) gateState { return g.body.Organizations[organization] }

func (g *gateChange) set(organization string, state gateState) {
	if g.body.Organizations[organization] == state {
		return
	}
	g.changed = true
	if state == (gateState{}) {
		delete(g.body.Organizations, organization)
		return
	}
	if g.body.Organizations == nil {
		g.body.Organizations = map[string]gateState{}
	}
	g.body.Organizations[organization] = state
}

// bury closes the gate for ever.
func (g *gateChange) bury(nowNanos int64) {
	g.body, g.changed = gateBody{form: form{bodyForm}, DeletedNanos: nowNanos}, true
}

// join makes the change part of a mutation, where there is one.
func (g *gateChange) join(m *ostiary.Mutation) {
	if !g.changed {
		return
	}
	m.Preconditions = append(m.Preconditions, at(g.document))
	if !g.deleted() && len(g.body.Organizations) == 0 {
		m.Documents = append(m.Documents, remove(g.document.Key))
		return
	}
	m.Documents = append(m.Documents, put(g.document.Key, g.body))
}
