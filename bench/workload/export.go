package workload

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ostiary/ostiary"
)

// Export writes the tuples of a store and a number of checks about it, lists of objects and lists of users
// in the form that Replay reads.
func (w *Workload) Export(out io.Writer, store, questions int) error {
	buffered := bufio.NewWriterSize(out, 1<<16)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(replayLine{Model: w.Model}); err != nil {
		return fmt.Errorf("export workload %q: %w", w.Name, err)
	}
	for e := range w.Tuples(store) {
		t, err := exported(e)
		if err == nil {
			err = encoder.Encode(replayLine{Tuple: t})
		}
		if err != nil {
			return fmt.Errorf("export workload %q: %w", w.Name, err)
		}
	}
	for _, line := range w.exportedQuestions(store, questions) {
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("export workload %q: %w", w.Name, err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("export workload %q: %w", w.Name, err)
	}
	return nil
}

func exported(e ostiary.Edge) (*replayTuple, error) {
	t := &replayTuple{User: e.Subject.String(), Relation: e.Relation, Object: e.Object.String()}
	if len(e.Conditions) == 0 {
		return t, nil
	}
	g := e.Conditions[0]
	t.Condition = &replayCondition{Name: g.Condition}
	if len(g.Context) == 0 {
		return t, nil
	}
	return t, json.Unmarshal(g.Context, &t.Condition.Context)
}

// exportedQuestions draws n questions of each kind about a store.
func (w *Workload) exportedQuestions(store, n int) []replayLine {
	var lines []replayLine
	add := func(draw func() Question, line func(Question) replayLine) {
		for left := n; left > 0; {
			if q := draw(); q.Store == store {
				lines = append(lines, line(q))
				left--
			}
		}
	}
	q := w.Questions(0)
	add(q.Check, func(c Question) replayLine {
		return replayLine{Context: c.Context,
			Check: &replayTuple{User: c.Subject.String(), Relation: c.Relation, Object: c.Object.String()}}
	})
	add(q.ListObjects, func(c Question) replayLine {
		return replayLine{Context: c.Context,
			ListObjects: &replayListObjects{Type: c.Object.Type, Relation: c.Relation, User: c.Subject.String()}}
	})
	add(q.ListUsers, func(c Question) replayLine {
		return replayLine{Context: c.Context, ListUsers: &replayListUsers{Object: c.Object.String(), Relation: c.Relation,
			UserType: c.Subject.Type, UserRelation: c.Subject.Relation}}
	})
	return lines
}
