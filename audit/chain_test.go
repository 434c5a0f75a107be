package audit_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// rows is a chain in the making.
type rows struct {
	all  []audit.Row
	hash audit.Hash
}

func (r *rows) add(key, value []byte, h audit.Hash) *rows {
	r.all = append(r.all, audit.Row{Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)})
	r.hash = h
	return r
}

func (r *rows) first(at ostiary.Revision) *rows { return r.add(audit.First(at)) }

func (r *rows) trimmed(last audit.Head) *rows {
	key, value := audit.Trimmed(last)
	return r.add(key, value, last.Hash)
}

// change adds a row of a mutation, which deleted the rows up to others of the audit where these are given.
func (r *rows) change(at ostiary.Revision, deleted ...audit.Head) *rows {
	var recorder audit.Recorder
	recorder.Begin()
	for _, last := range deleted {
		recorder.Deleted(last)
	}
	return r.add(recorder.Row(r.hash, &audit.Entry{Place: audit.Place{Revision: at, Kind: audit.Change}}))
}

func (r *rows) restored(at, begins ostiary.Revision, with audit.Hash) *rows {
	return r.add(audit.RestoredRow(r.hash, &audit.Entry{Place: audit.Place{Revision: at, Kind: audit.Restored}, Begins: begins, BeganWith: with}))
}

// TestChain: hashes that follow from each other are not enough: rows lie in order, behind one beginning, and where rows
// before that were deleted, a row says so of these very rows.
func TestChain(t *testing.T) {
	ours := audit.Head{Place: audit.Place{Revision: 3, Kind: audit.Change}, Hash: audit.Hash{1}}
	forged := audit.Head{Place: ours.Place, Hash: audit.Hash{2}}
	for name, c := range map[string]struct {
		rows  *rows
		whole bool
	}{
		"one after another":            {new(rows).first(1).change(2).change(3), true},
		"a restore":                    {new(rows).first(1).change(2).restored(2, 0, audit.Hash{}).change(3), true},
		"no beginning":                 {new(rows).change(2), false},
		"a second beginning":           {new(rows).first(1).change(2).first(4), false},
		"the middle cut out":           {new(rows).first(1).change(2).trimmed(ours).change(4, ours), false},
		"backwards":                    {new(rows).first(5).change(4), false},
		"twice the same place":         {new(rows).first(1).change(2).change(2), false},
		"trimmed, and said so":         {new(rows).trimmed(ours).change(4).change(5, ours), true},
		"trimmed, and not said":        {new(rows).trimmed(ours).change(4), false},
		"trimmed, of other rows":       {new(rows).trimmed(ours).change(4, forged), false},
		"trimmed before a restore":     {new(rows).trimmed(ours).change(4).restored(4, 3, ours.Hash), true},
		"a restore of other rows":      {new(rows).trimmed(ours).change(4).restored(4, 3, forged.Hash), false},
		"a restore from elsewhere":     {new(rows).trimmed(ours).change(4).restored(4, 2, ours.Hash), false},
		"trimmed, as rows after it do": {new(rows).trimmed(ours).change(4, audit.Head{Place: audit.Place{Revision: 2, Kind: audit.Change}, Hash: ours.Hash}), false},
	} {
		var chain audit.Chain
		var err error
		for _, row := range c.rows.all {
			if _, err = chain.Add(row.Key, row.Value); err != nil {
				break
			}
		}
		if err == nil {
			err = chain.End()
		}
		var broken *audit.BreakError
		if (err == nil) != c.whole || err != nil && (!errors.As(err, &broken) || !errors.Is(err, ostiary.ErrCorrupt)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
