package identity

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/ostiary/ostiary"
)

// GateSwitch says whether the gate of a store closes for people whom an identity provider has disabled. While
// it is off they pass where an application's own grants let them. Whoever is blocked, was deleted, or waits
// since a restore is denied all the same; models and identity relations are judged as ever.
type GateSwitch struct {
	Off        bool
	SinceNanos int64  // since when it is off, by whose word, and why
	By         string // "preshared:3f9a1c0b"
	Reason     string
}

// gateOffBody is the part of a store's settings that says that its gate is off.
type gateOffBody struct {
	SinceNanos int64  `json:"since"`
	By         string `json:"by"`
	Reason     string `json:"reason"`
}

// gatesOff lists the stores whose gate is off, each by an empty document: few, or none.
const gatesOff = "gate-off"

func (b *gateOffBody) gateSwitch() GateSwitch {
	if b == nil {
		return GateSwitch{}
	}
	return GateSwitch{Off: true, SinceNanos: b.SinceNanos, By: b.By, Reason: b.Reason}
}

// judgeReason refuses a reason that says nothing, or that cannot be shown in a line.
func judgeReason(reason string) error {
	if err := judgeName("reason", reason); err != nil {
		return err
	}
	if strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return invalid("the reason %.100q has more than one line, or control characters", reason)
	}
	return nil
}

// TurnGateOff turns the gate of a store off, for a reason. Where it is off already it stays as it is.
func (s *Service) TurnGateOff(ctx context.Context, store, reason string) (GateSwitch, ostiary.Receipt, error) {
	if err := judgeReason(reason); err != nil {
		return GateSwitch{}, ostiary.Receipt{}, err
	}
	return s.turnGate(ctx, &audit{store: store, action: "gate.off"}, func(m *ostiary.Mutation, body *settingsBody) bool {
		if body.GateOff != nil {
			return false
		}
		body.GateOff = &gateOffBody{m.TimeNanos, m.Principal.String(), reason}
		m.Documents = append(m.Documents, put(ostiary.DocumentKey{Collection: gatesOff, Key: store}, form{bodyForm}))
		return true
	})
}

// TurnGateOn turns the gate of a store on again. Where it is on nothing changes.
func (s *Service) TurnGateOn(ctx context.Context, store string) (GateSwitch, ostiary.Receipt, error) {
	return s.turnGate(ctx, &audit{store: store, action: "gate.on"}, func(m *ostiary.Mutation, body *settingsBody) bool {
		if body.GateOff == nil {
			return false
		}
		body.GateOff = nil
		m.Documents = append(m.Documents, remove(ostiary.DocumentKey{Collection: gatesOff, Key: store}))
		return true
	})
}

func (s *Service) turnGate(
	ctx context.Context, row *audit, turn func(*ostiary.Mutation, *settingsBody) (changed bool),
) (now GateSwitch, receipt ostiary.Receipt, err error) {
	receipt, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		body, d, err := gatedStore(v, row.store)
		if err != nil {
			return err
		}
		if turn(m, &body) {
			m.Preconditions = append(m.Preconditions, at(d))
			m.Documents = append(m.Documents, put(d.Key, body))
			err = restOnStore(v, m, row.store)
		}
		now = body.GateOff.gateSwitch()
		return err
	})
	return now, receipt, err
}

// gatedStore returns the settings of a store that has, or had, organizations.
func gatedStore(v View, store string) (settingsBody, ostiary.Document, error) {
	if err := storeExists(v, store); err != nil {
		return settingsBody{}, ostiary.Document{}, err
	}
	d, there, err := v.Document(settingsKey(store))
	if err == nil && !there {
		err = fmt.Errorf("store %.100q has no organization yet: create one first: %w", store, ostiary.ErrNotFound)
	}
	if err != nil {
		return settingsBody{}, d, err
	}
	body, err := decode[settingsBody](d)
	return body, d, err
}

// GateSwitch returns whether the gate of a store is off. A store that never had an organization has none.
func (s *Service) GateSwitch(ctx context.Context, store string) (now GateSwitch, err error) {
	err = s.read(ctx, func(v View) error {
		body, _, err := gatedStore(v, store)
		now = body.GateOff.gateSwitch()
		return err
	})
	return now, err
}

// GatesOff returns the stores whose gate is off, by id.
func (s *Service) GatesOff(ctx context.Context) (all map[string]GateSwitch, err error) {
	all = map[string]GateSwitch{}
	err = s.read(ctx, func(v View) error {
		for d, err := range ostiary.EachDocument(ctx, v, gatesOff, "") {
			if err != nil {
				return err
			}
			_, there, err := v.Document(storeKey(d.Key.Key))
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			body, _, err := gatedStore(v, d.Key.Key)
			if err != nil {
				return err
			}
			all[d.Key.Key] = body.GateOff.gateSwitch()
		}
		return nil
	})
	return all, err
}

// StoreGate is what the gate of every person of a store rests on. The zero StoreGate is that of a gate which
// is on, of a store where nobody waits.
type StoreGate struct {
	off      bool
	waiting  []string // connections, sorted
	sessions bool     // see SessionSubjects
}

// StoreGateOf returns the gate of a store as a view shows it.
func StoreGateOf(v Documents, store string) (StoreGate, error) {
	d, there, err := v.Document(settingsKey(store))
	if err != nil || !there {
		return StoreGate{}, err
	}
	body, err := decode[settingsBody](d)
	return StoreGate{off: body.GateOff != nil, waiting: body.Waiting, sessions: body.SessionSubjects}, err
}

// Of returns what stands against a person of the store, in the view that the gate was read from or another
// one that shows the same documents.
func (x StoreGate) Of(v Documents, store, user string) (Gate, error) {
	g, err := GateOf(v, store, user)
	if err != nil {
		return Gate{}, err
	}
	g = x.judge(g)
	g.Waiting, err = Waits(v, store, user, x.waiting)
	return g, err
}

// judge leaves of what stands against a person what counts while the gate is as it is.
func (x StoreGate) judge(g Gate) Gate {
	if x.off {
		g.Organizations = g.blocked
	}
	return g
}
