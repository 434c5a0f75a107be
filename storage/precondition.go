package storage

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
)

// judge refuses the mutation when its i-th precondition does not hold in the state before it. It runs
// before anything of the mutation is staged.
func (m *mutation) judge(i int) error {
	p := &m.Preconditions[i]
	reason := ""
	var err error
	switch p.Kind {
	case ostiary.DocumentAtVersion:
		reason, err = m.judgeDocument(p)
	case ostiary.TuplePresent, ostiary.TupleAbsent:
		reason, err = m.judgeTuple(p)
	case ostiary.FilterMatchesNothing:
		reason, err = m.judgeFilter(&p.Filter)
	case ostiary.TupleAlone:
		reason, err = m.judgeAlone(p)
	case ostiary.FilterOwnedAlone:
		reason, err = m.judgeOwner(p.Filter)
	}
	if err != nil || reason == "" {
		return err
	}
	return refuse(&ostiary.PreconditionError{Index: i, Reason: reason})
}

func (m *mutation) judgeDocument(p *ostiary.Precondition) (reason string, err error) {
	c, err := m.applier.overlay.stageDocument(p.Document, false)
	if err != nil {
		return "", err
	}
	switch found := c.accepted; {
	case !found.exists && p.Version != 0:
		return fmt.Sprintf("document %q does not exist, and should be at version %d", p.Document, p.Version), nil
	case found.exists && p.Version == 0:
		return fmt.Sprintf("document %q is at version %d, and should not exist", p.Document, found.version), nil
	case found.version != p.Version:
		return fmt.Sprintf("document %q is at version %d, not %d", p.Document, found.version, p.Version), nil
	}
	return "", nil
}

func (m *mutation) judgeTuple(p *ostiary.Precondition) (reason string, err error) {
	// The cell must not be kept when filters of this mutation are still to take effect.
	state, err := m.applier.overlay.peek(p.Store, p.Tuple)
	if err != nil {
		return "", err
	}
	_, live := state.stored(p.Tuple).Edge(m.stamp)
	switch {
	case p.Kind != ostiary.TupleAbsent && !live:
		return fmt.Sprintf("tuple %q does not exist", p.Tuple), nil
	case p.Kind == ostiary.TupleAbsent && live:
		return fmt.Sprintf("tuple %q exists", p.Tuple), nil
	}
	return "", nil
}

// judgeAlone reads the database, as judgeFilter does.
func (m *mutation) judgeAlone(p *ostiary.Precondition) (reason string, err error) {
	if reason, err = m.judgeTuple(p); err != nil || reason != "" {
		return reason, err
	}
	same := ostiary.Filter{Store: p.Store, Object: p.Tuple.Object, Relation: p.Tuple.Relation}
	err = scanTuples(context.Background(), m.applier.overlay.db, planScan(same), nil, func(t ostiary.StoredTuple) bool {
		if _, live := t.Edge(m.stamp); !live || t.Tuple == p.Tuple {
			return true
		}
		reason = fmt.Sprintf("tuple %q is there beside %q", t.Tuple, p.Tuple)
		return false
	})
	return reason, err
}

// judgeFilter reads the database: the batch was cut before this mutation, so nothing is staged.
func (m *mutation) judgeFilter(f *ostiary.Filter) (reason string, err error) {
	err = scanTuples(context.Background(), m.applier.overlay.db, planScan(*f), nil, func(t ostiary.StoredTuple) bool {
		if f.Owner != "" {
			t.Grants = t.Grants[grantOf(t.Grants, f.Owner):][:1]
		}
		if _, live := t.Edge(m.stamp); !live {
			return true
		}
		reason = fmt.Sprintf("tuple %q matches the filter", t.Tuple)
		return false
	})
	return reason, err
}

// judgeOwner reads the database, as judgeFilter does.
func (m *mutation) judgeOwner(f ostiary.Filter) (reason string, err error) {
	owner, rows := f.Owner, 0
	f.Owner = ""
	err = scanTuples(context.Background(), m.applier.overlay.db, planScan(f), nil, func(t ostiary.StoredTuple) bool {
		if rows++; rows > maxFilterExamined {
			reason = fmt.Sprintf("the filter matches more than %d tuples", maxFilterExamined)
			return false
		}
		for _, g := range t.Grants {
			if g.Owner != owner && g.Live(m.stamp) {
				reason = fmt.Sprintf("tuple %q is also granted by owner %s", t.Tuple, g.Owner)
				return false
			}
		}
		return true
	})
	return reason, err
}
