package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// comparison is what two servers say of one store.
type comparison struct {
	SourceTuples int64        `json:"source_tuples"`
	TargetTuples int64        `json:"target_tuples"`
	SameTuples   bool         `json:"same_tuples"`
	Checks       int          `json:"checks"` // asked of both
	Unequal      int          `json:"unequal_checks"`
	Differences  []difference `json:"differences"` // the first of them
}

// difference is a check that two servers answer differently.
type difference struct {
	Check  string `json:"check"`
	Source string `json:"source"`
	Target string `json:"target"`
}

func (c *comparison) same() bool { return c.SameTuples && c.Unequal == 0 }

func (c *comparison) lines() []string {
	tuples := fmt.Sprintf("%s on both, the same", count(int(c.SourceTuples), "tuple"))
	switch {
	case !c.SameTuples && c.SourceTuples == c.TargetTuples:
		tuples = fmt.Sprintf("%s on both, NOT the same", count(int(c.SourceTuples), "tuple"))
	case !c.SameTuples:
		tuples = fmt.Sprintf("tuples DIFFER: %s at the source, %s here", thousands(c.SourceTuples), thousands(c.TargetTuples))
	}
	lines := []string{tuples, fmt.Sprintf("%s asked of both, %s answered differently", count(c.Checks, "check"), thousands(int64(c.Unequal)))}
	for _, d := range c.Differences {
		lines = append(lines, fmt.Sprintf("  %s: %s at the source, %s here", d.Check, d.Source, d.Target))
	}
	return lines
}

// maxDifferences bounds the differences that a comparison keeps.
const maxDifferences = 20

// tupleSum sums up the tuples of a store, whatever their order: their number, and the sum of their
// hashes. Equal sets have equal sums, and two sets that differ have them with a chance of 1 in 2^64.
type tupleSum struct {
	n    int64
	hash uint64
}

func (t *tupleSum) add(key *openfgav1.TupleKey) error {
	canonical := proto.CloneOf(key)
	if condition := canonical.GetCondition(); condition.GetName() == "" {
		canonical.Condition = nil
	} else if len(condition.GetContext().GetFields()) == 0 {
		condition.Context = nil // no context and an empty one are the same
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(canonical)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	t.n++
	t.hash += binary.BigEndian.Uint64(digest[:])
	return nil
}

// sampler keeps some of the tuples that go by, each with the same chance.
type sampler struct {
	size   int
	seen   int
	random *rand.Rand
	kept   []*openfgav1.TupleKey
}

func (s *sampler) see(key *openfgav1.TupleKey) {
	s.seen++
	if len(s.kept) < s.size {
		s.kept = append(s.kept, key)
	} else if i := s.random.IntN(s.seen); i < s.size {
		s.kept[i] = key
	}
}

// compare reads all tuples of a store from both servers, and asks both about some of them.
func (m *migrator) compare(ctx context.Context, s *migratedStore) (*comparison, error) {
	random := rand.New(rand.NewPCG(1, uint64(s.Tuples.Copied))) // a repeated comparison asks the same
	sample := &sampler{size: m.flags.sample, random: random}
	var sums [2]tupleSum
	for i, side := range []struct {
		client *client
		store  string
	}{{m.source, s.Source}, {m.target, s.Target}} {
		progress := m.app.newProgress("compared", 2*sums[0].n)
		var sumErr error
		err := eachTuple(ctx, side.client, allOf(side.store), func(t *openfgav1.Tuple) bool {
			if i == 0 {
				sample.see(t.GetKey())
			}
			sumErr = sums[i].add(t.GetKey())
			progress.at(sums[0].n+sums[1].n, sums[0].n+sums[1].n)
			return sumErr == nil
		})
		progress.finish()
		if err := errors.Join(err, sumErr); err != nil {
			return nil, fmt.Errorf("compare the tuples: %w", err)
		}
	}
	c := &comparison{SourceTuples: sums[0].n, TargetTuples: sums[1].n, SameTuples: sums[0] == sums[1], Differences: []difference{}}
	return c, m.compareChecks(ctx, s, sample.kept, random, c)
}

// compareChecks asks both servers three questions about each sampled tuple: the tuple itself, its user
// about another's object, and another relation of its object for another's user.
func (m *migrator) compareChecks(ctx context.Context, s *migratedStore, sample []*openfgav1.TupleKey, random *rand.Rand, c *comparison) error {
	if len(sample) == 0 {
		return nil
	}
	last := s.Models[len(s.Models)-1] // the latest model is never refused
	relations, err := m.relationsByType(ctx, s.Target, last.Target)
	if err != nil {
		return err
	}
	for _, key := range sample {
		other := sample[random.IntN(len(sample))]
		questions := []*openfgav1.CheckRequestTupleKey{
			{Object: key.GetObject(), Relation: key.GetRelation(), User: key.GetUser()},
			{Object: other.GetObject(), Relation: other.GetRelation(), User: key.GetUser()},
		}
		typ, _, _ := strings.Cut(key.GetObject(), ":")
		if names := relations[typ]; len(names) > 0 {
			questions = append(questions, &openfgav1.CheckRequestTupleKey{
				Object: key.GetObject(), Relation: names[random.IntN(len(names))], User: other.GetUser(),
			})
		}
		for _, question := range questions {
			if err := m.compareCheck(ctx, s, last, question, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *migrator) compareCheck(ctx context.Context, s *migratedStore, model migratedModel, question *openfgav1.CheckRequestTupleKey, c *comparison) error {
	source, err := answerTo(ctx, m.source, s.Source, model.Source, question)
	if err != nil {
		return err
	}
	target, err := answerTo(ctx, m.target, s.Target, model.Target, question)
	if err != nil {
		return err
	}
	c.Checks++
	if source == target {
		return nil
	}
	c.Unequal++
	if len(c.Differences) < maxDifferences {
		c.Differences = append(c.Differences, difference{
			Check: question.GetObject() + "#" + question.GetRelation() + "@" + question.GetUser(), Source: source, Target: target,
		})
	}
	return nil
}

// answerTo returns "allowed", "denied", or the error with which a server refuses the question. A server
// that cannot be asked is an error.
func answerTo(ctx context.Context, c *client, store, model string, question *openfgav1.CheckRequestTupleKey) (string, error) {
	answer, err := c.fga.Check(ctx, &openfgav1.CheckRequest{
		StoreId: store, AuthorizationModelId: model, TupleKey: question, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
	})
	var refusal *serverError
	switch {
	case err == nil && answer.GetAllowed():
		return "allowed", nil
	case err == nil:
		return "denied", nil
	case errors.As(err, &refusal) && refusal.code != codes.Unavailable && refusal.code != codes.DeadlineExceeded:
		return "error " + codeName(refusal.code), nil
	}
	return "", fmt.Errorf("ask %s#%s@%s: %w", question.GetObject(), question.GetRelation(), question.GetUser(), err)
}

// relationsByType returns the relations of each type of a model, sorted.
func (m *migrator) relationsByType(ctx context.Context, store, model string) (map[string][]string, error) {
	read, err := m.target.fga.ReadAuthorizationModel(ctx, &openfgav1.ReadAuthorizationModelRequest{StoreId: store, Id: model})
	if err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	relations := map[string][]string{}
	for _, definition := range read.GetAuthorizationModel().GetTypeDefinitions() {
		relations[definition.GetType()] = slices.Sorted(maps.Keys(definition.GetRelations()))
	}
	return relations, nil
}
