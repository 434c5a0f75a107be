package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// Write writes and deletes tuples, all of them or none, in one revision.
//
// A tuple written here is owned by ostiary.OwnerAPI; one that a connector owns as well is not deleted
// here.
func (s *Server) Write(ctx context.Context, req *openfgav1.WriteRequest) (*openfgav1.WriteResponse, error) {
	w, err := s.newTupleWrite(req)
	if err != nil {
		return nil, err
	}
	err = s.doOnce(ctx, req, func(o *once) error {
		return s.change(ctx, req.GetStoreId(), func(v View, d ostiary.Document) (*ostiary.Mutation, error) {
			return s.writeMutation(ctx, v, req, w, o)
		})
	})
	if err != nil {
		return nil, w.refusal(err)
	}
	return &openfgav1.WriteResponse{}, nil
}

// tupleWrite is a Write whose options and number of tuples were found in order.
type tupleWrite struct {
	writes          []*openfgav1.TupleKey
	deletes         []*openfgav1.TupleKeyWithoutCondition
	ignoreDuplicate bool
	ignoreMissing   bool
}

func (s *Server) newTupleWrite(req *openfgav1.WriteRequest) (*tupleWrite, error) {
	w := &tupleWrite{writes: req.GetWrites().GetTupleKeys(), deletes: req.GetDeletes().GetTupleKeys()}
	var duplicate, missing error
	w.ignoreDuplicate, duplicate = ignoreOption("on_duplicate", req.GetWrites().GetOnDuplicate())
	w.ignoreMissing, missing = ignoreOption("on_missing", req.GetDeletes().GetOnMissing())
	if err := cmp.Or(duplicate, missing); err != nil {
		return nil, cmp.Or(w.duplicateKey(), err) // OpenFGA names the duplicate where both are wrong
	}
	switch n := len(w.writes) + len(w.deletes); {
	case n == 0:
		return nil, refuse(codeWriteInput, "Invalid input. Make sure you provide at least one write, or at least one delete")
	case n > s.limits.MaxTuplesPerWrite:
		return nil, refuse(codeEntityLimit, "The number of write operations exceeds the allowed limit of %d", s.limits.MaxTuplesPerWrite)
	}
	return w, nil
}

// duplicateKey refuses a tuple key that stands in the request twice, word for word.
func (w *tupleWrite) duplicateKey() error {
	seen := map[string]bool{}
	see := func(k tupleKey) error {
		words := keyWords(k)
		if seen[words] {
			return refuse(codeDuplicateTuples, "duplicate tuple in write: %s", words)
		}
		seen[words] = true
		return nil
	}
	for _, k := range w.writes {
		if err := see(k); err != nil {
			return err
		}
	}
	for _, k := range w.deletes {
		if err := see(k); err != nil {
			return err
		}
	}
	return nil
}

func ignoreOption(name, value string) (ignore bool, err error) {
	switch value {
	case "", "error":
		return false, nil
	case "ignore":
		return true, nil
	}
	return false, refuse(codeValidation, "invalid %s option: %s", name, value)
}

// writeMutation judges a Write in a view and returns what commits it.
func (s *Server) writeMutation(
	ctx context.Context, v View, req *openfgav1.WriteRequest, w *tupleWrite, o *once,
) (*ostiary.Mutation, error) {
	model, err := s.model(ctx, v, req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	m, err := s.newMutation(ctx)
	if err != nil {
		return nil, err
	}
	seen := make(map[ostiary.Tuple]bool, len(w.writes)+len(w.deletes))
	creates := make([]ostiary.TupleChange, 0, len(w.writes))
	for _, k := range w.writes {
		change, err := s.createChange(model, k)
		if err != nil {
			return nil, err
		}
		change.Store, change.IfExists = req.GetStoreId(), w.ignoreDuplicate
		if err := noDuplicate(seen, change.Tuple); err != nil {
			return nil, err
		}
		creates = append(creates, change)
	}
	var missing error
	for _, k := range w.deletes {
		t, err := parseTuple(k)
		switch {
		case err != nil && brokenUser(k.GetUser()):
			return nil, invalidTuple(codeValidation, &openfgav1.TupleKey{
				User: k.GetUser(), Relation: k.GetRelation(), Object: k.GetObject(),
			}, err)
		case err != nil && w.ignoreMissing:
			continue // no such tuple can have been written
		case err != nil: // a duplicate among the tuples goes before it
			if missing == nil {
				missing = &refusal{code: codeWriteFailed, cause: err, text: missingTuple(keyWords(k))}
			}
			continue
		}
		if err := noDuplicate(seen, t); err != nil {
			return nil, err
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{
			Op: ostiary.TupleDelete, Store: req.GetStoreId(), Tuple: t,
			Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}, IfMissing: w.ignoreMissing,
		})
	}
	if missing != nil {
		return nil, missing
	}
	m.Tuples = append(m.Tuples, creates...) // behind the deletes, as OpenFGA's changes have them
	if len(m.Tuples) == 0 {
		return nil, nil
	}
	f, err := s.facts(v, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	if err := judgeManaged(v, &f.mapping.Names, req.GetStoreId(), m); err != nil {
		return nil, err
	}
	if f.quota && len(creates) > 0 {
		m.RestOnQuota(req.GetStoreId())
	}
	o.mark(m)
	if err := s.foresee(ctx, v, m); err != nil {
		return nil, err
	}
	return m, nil
}

// brokenUser reports whether OpenFGA refuses to look for a tuple with the user. A user without a type,
// or a part that is no object or relation, it looks for and does not find.
func brokenUser(user string) bool {
	_, err := parseSubject(user)
	return err != nil && (user == "" || strings.ContainsAny(user, ":#"))
}

func noDuplicate(seen map[ostiary.Tuple]bool, t ostiary.Tuple) error {
	if seen[t] {
		return refuse(codeDuplicateTuples, "duplicate tuple in write: %s", wireWords(t))
	}
	seen[t] = true
	return nil
}

func wireWords(t ostiary.Tuple) string {
	return fmt.Sprintf("user: '%s', relation: '%s', object: '%s'", t.Subject, t.Relation, t.Object)
}

func keyWords(k tupleKey) string {
	return fmt.Sprintf("user: '%s', relation: '%s', object: '%s'", k.GetUser(), k.GetRelation(), k.GetObject())
}

// whyWriteFailed ends OpenFGA's words for a write that the stored tuples refuse.
const whyWriteFailed = ": tuple to be written already existed or the tuple to be deleted did not exist"

func missingTuple(words string) string {
	return "cannot delete a tuple which does not exist: " + words + whyWriteFailed
}

// createChange judges a tuple to be written by the model.
func (s *Server) createChange(model *authModel, k *openfgav1.TupleKey) (ostiary.TupleChange, error) {
	t, g, err := s.fittingTuple(model, k)
	if err == nil && t.Subject.String() == userset(t.Object, t.Relation) {
		err = unfit("cannot write a tuple that is implicit") // a userset holds itself already
	}
	if err != nil {
		return ostiary.TupleChange{}, invalidTuple(codeValidation, k, err)
	}
	return ostiary.TupleChange{Op: ostiary.TupleCreate, Tuple: t, Grant: g}, nil
}

// fittingTuple parses a tuple with its condition and judges both by the model.
func (s *Server) fittingTuple(model *authModel, k *openfgav1.TupleKey) (ostiary.Tuple, ostiary.Grant, error) {
	t, err := parseTuple(k)
	if err != nil {
		return t, ostiary.Grant{}, err
	}
	g, err := grantOf(k)
	if err != nil {
		return t, g, err
	}
	if err := model.checkFit(t, g.Condition); err != nil {
		return t, g, err
	}
	if g.Condition == "" {
		return t, g, nil
	}
	if n := len(g.Context); n > s.limits.MaxConditionContextBytes {
		return t, g, unfitCondition("condition context size limit exceeded: %d bytes exceeds %d bytes", n, s.limits.MaxConditionContextBytes)
	}
	return t, g, model.checkContext(g)
}

// foresee refuses what would be refused when it is applied, so that a faulty Write leaves no entry in
// the log. What it passes may still be refused there. A view may lag behind, so a fault found in one is
// looked for again in a linearizable view. Of a mutation with an idempotency key only who applies it can
// say whether it meets itself.
func (s *Server) foresee(ctx context.Context, v View, m *ostiary.Mutation) error {
	if foreseeIn(ctx, v, m) == nil || m.IdempotencyKey != "" {
		return nil
	}
	newest, err := s.backend.View(ctx, ostiary.Freshness{AtLeast: v.Revision(), Linearizable: true})
	if err != nil {
		return err
	}
	defer newest.Close()
	callOf(ctx).at(newest.Revision())
	return foreseeIn(ctx, newest, m)
}

// foreseeIn looks for the tuples of m in a view, and returns the fault that it finds. Where it sees that
// none of those to be created is there, m says so, and who applies it need not look again.
func foreseeIn(ctx context.Context, v View, m *ostiary.Mutation) error {
	var refusable, ignorable []*ostiary.TupleChange
	for i := range m.Tuples {
		switch c := &m.Tuples[i]; {
		case c.IfExists:
			ignorable = append(ignorable, c)
		case !c.IfMissing:
			refusable = append(refusable, c)
		}
	}
	absent := true // of what is to be created
	there := make([]bool, len(refusable))
	twice := -1 // the first that cannot be created
	err := lookUp(ctx, v, refusable, func(i int, t ostiary.StoredTuple) bool {
		there[i] = true
		if refusable[i].Op == ostiary.TupleCreate {
			absent = false
			if ownGrantLives(t, m.TimeNanos) {
				twice = i
			}
		}
		return twice < 0
	})
	if err != nil {
		return err
	}
	for i, c := range refusable {
		switch {
		case i == twice:
			return &ostiary.TupleError{Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrTupleExists}
		case c.Op == ostiary.TupleDelete && !there[i]:
			return &ostiary.TupleError{Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrTupleMissing}
		}
	}
	if !absent {
		return nil
	}
	err = lookUp(ctx, v, ignorable, func(int, ostiary.StoredTuple) bool {
		absent = false
		return false
	})
	if err == nil && absent {
		m.Observed = v.Revision()
	}
	return err
}

// lookUp looks for the tuples of changes, which are of one store.
func lookUp(ctx context.Context, v View, changes []*ostiary.TupleChange, found func(int, ostiary.StoredTuple) bool) error {
	if len(changes) == 0 {
		return nil
	}
	tuples := make([]ostiary.Tuple, len(changes))
	for i, c := range changes {
		tuples[i] = c.Tuple
	}
	return v.LookUp(ctx, changes[0].Store, tuples, found)
}

func ownGrantLives(t ostiary.StoredTuple, nowNanos int64) bool {
	for _, g := range t.Grants {
		if g.Owner == ostiary.OwnerAPI {
			return g.Live(nowNanos)
		}
	}
	return false
}

// refusal puts a refused tuple change into OpenFGA's words. Another condition on a tuple that is there
// is a conflict only where a duplicate would have been ignored; otherwise it is a duplicate.
func (w *tupleWrite) refusal(err error) error {
	var t *ostiary.TupleError
	if !errors.As(err, &t) || t.Tuple == (ostiary.Tuple{}) {
		return err
	}
	words := wireWords(t.Tuple)
	switch {
	case errors.Is(t.Err, ostiary.ErrConflict) && w.ignoreDuplicate:
		return &refusal{code: codeAborted, cause: err, text: "transactional write failed due to conflict: " +
			"attempted to write a tuple which already exists with a different condition: " + words}
	case errors.Is(t.Err, ostiary.ErrTupleExists), errors.Is(t.Err, ostiary.ErrConflict):
		return &refusal{code: codeWriteFailed, cause: err, text: "cannot write a tuple which already exists: " + words + whyWriteFailed}
	case errors.Is(t.Err, ostiary.ErrTupleMissing):
		return &refusal{code: codeWriteFailed, cause: err, text: missingTuple(words)}
	}
	return err
}
