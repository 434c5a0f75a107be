package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/modeltest"
)

// developer keeps a store at what files say.
type developer struct {
	app    *app
	client *client
	store  string
	args   []string // the model or store file, then files of tuples
	// stale is set until the first load into a store of an earlier run: it may hold tuples of the files
	// with other conditions, so these are deleted before they are written.
	stale bool

	files []string // everything that was read
	seen  map[string]fileState
	// What was written last: nothing before the first load that succeeded.
	model  *model.Model
	json   []byte
	tuples map[ostiary.Tuple]modeltest.Tuple
}

// fileState tells one version of a file from another.
type fileState struct {
	exists  bool
	changed time.Time
	size    int64
}

func stateOf(name string) fileState {
	info, err := os.Stat(name)
	if err != nil {
		return fileState{}
	}
	return fileState{true, info.ModTime(), info.Size()}
}

func statesOf(files []string) map[string]fileState {
	out := make(map[string]fileState, len(files))
	for _, file := range files {
		out[file] = stateOf(file)
	}
	return out
}

// changed returns the files that are not what they were before the last load.
func (d *developer) changed() []string {
	var out []string
	for _, file := range d.files {
		if stateOf(file) != d.seen[file] {
			out = append(out, file)
		}
	}
	return out
}

// project is what the files say together.
type project struct {
	model  *model.Model
	tuples map[ostiary.Tuple]modeltest.Tuple
	suite  *modeltest.Suite // nil without a store file
	files  []string
	err    error // why the files cannot be loaded
}

// maxLoads bounds how often files are read again because they name others than the last time.
const maxLoads = 3

// load reads the files. States are taken before, so that what is saved meanwhile is noticed later.
func (d *developer) load() project {
	for attempt := 1; ; attempt++ {
		d.seen = statesOf(d.files)
		p := readProject(d.args)
		known := slices.Equal(p.files, d.files)
		d.files = p.files
		if known || attempt == maxLoads {
			return p
		}
	}
}

func readProject(args []string) project {
	p := project{tuples: map[ostiary.Tuple]modeltest.Tuple{}}
	if modeltest.IsStoreFile(args[0]) {
		p.suite, p.err = modeltest.Load(args[0])
		p.files, p.model = p.suite.Files, p.suite.Model
	} else {
		p.model, p.files, p.err = modeltest.LoadModel(args[0])
	}
	p.files = slices.Concat(p.files, args[1:])
	if p.err != nil {
		return p
	}
	if p.suite != nil {
		p.add(p.suite.Tuples)
	}
	var faults modeltest.Faults
	for _, name := range args[1:] {
		tuples, err := modeltest.LoadTuples(name, p.model)
		var found modeltest.Faults
		switch {
		case errors.As(err, &found):
			faults = append(faults, found...)
		case err != nil:
			p.err = errors.Join(p.err, err)
		}
		p.add(tuples)
	}
	if len(faults) > 0 {
		p.err = faults
	}
	return p
}

func (p *project) add(tuples []modeltest.Tuple) {
	for _, t := range tuples {
		if _, twice := p.tuples[t.Tuple]; !twice {
			p.tuples[t.Tuple] = t
		}
	}
}

// reload brings the store to what the files say, runs the tests, and reports. It returns whether all
// was well; the error is one after which there is no going on.
func (d *developer) reload(ctx context.Context) (bool, error) {
	p := d.load()
	if p.err != nil {
		d.app.talkf("%s", indent(p.err.Error(), "  "))
		d.goesOn()
		return false, ctx.Err()
	}
	if err := d.apply(ctx, p); err != nil {
		d.app.talkf("  %s %v", d.app.paintErr(red, "error:"), err)
		d.app.talkf("  Not everything was written; the next save tries the rest again.")
		return false, ctx.Err()
	}
	if p.suite == nil {
		return true, nil
	}
	result, err := p.suite.Run(ctx, modeltest.Options{})
	if err != nil {
		return false, err
	}
	d.app.showOutcome(modeltest.Outcome{File: p.suite.File, Result: result})
	return result.Failed == 0, nil
}

func (d *developer) goesOn() {
	if d.model == nil {
		d.app.talkf("  Nothing is served yet.")
		return
	}
	d.app.talkf("  The model and the tuples of before go on being served.")
}

// apply writes the model when it is another one, then the tuples by difference.
func (d *developer) apply(ctx context.Context, p project) error {
	data, err := dsl.JSON(p.model)
	if err != nil {
		return err
	}
	said := "model unchanged"
	if !bytes.Equal(data, d.json) {
		request, err := writeModelRequest(p.model)
		if err != nil {
			return err
		}
		request.StoreId = d.store
		answer, err := d.client.fga.WriteAuthorizationModel(ctx, request)
		if err != nil {
			return fmt.Errorf("write the model: %w", err)
		}
		d.model, d.json = p.model, data
		said = fmt.Sprintf("model %s (%s)", answer.GetAuthorizationModelId(), modelSize(p.model))
	}
	added, removed, err := d.applyTuples(ctx, p.tuples)
	if err != nil {
		return err
	}
	d.app.printf("  %s; %s (%d added, %d removed)", said, count(len(p.tuples), "tuple"), added, removed)
	return nil
}

// applyTuples deletes the tuples that the files no longer hold and writes those that came. A tuple
// whose condition changed is both.
func (d *developer) applyTuples(ctx context.Context, want map[ostiary.Tuple]modeltest.Tuple) (added, removed int, err error) {
	var gone, came []modeltest.Tuple
	for t, old := range d.tuples {
		if now, stays := want[t]; !stays || !sameGrants(old, now) {
			gone = append(gone, old)
		}
	}
	for t, now := range want {
		if old, held := d.tuples[t]; !held || !sameGrants(old, now) {
			came = append(came, now)
		}
	}
	byTuple := func(a, b modeltest.Tuple) int { return a.Compare(b.Tuple) }
	slices.SortFunc(gone, byTuple)
	slices.SortFunc(came, byTuple)
	if d.tuples == nil {
		d.tuples = map[ostiary.Tuple]modeltest.Tuple{}
	}
	if d.stale {
		gone = slices.Clone(came)
	}
	for batch := range slices.Chunk(gone, defaultTuplesPerWrite) {
		deletes := &openfgav1.WriteRequestDeletes{OnMissing: "ignore"}
		for _, t := range batch {
			deletes.TupleKeys = append(deletes.TupleKeys, &openfgav1.TupleKeyWithoutCondition{
				Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()})
		}
		if _, err := d.client.fga.Write(ctx, &openfgav1.WriteRequest{StoreId: d.store, Deletes: deletes}); err != nil {
			return added, removed, fmt.Errorf("delete tuples: %w", err)
		}
		for _, t := range batch {
			delete(d.tuples, t.Tuple)
		}
		if !d.stale {
			removed += len(batch)
		}
	}
	d.stale = false
	for batch := range slices.Chunk(came, defaultTuplesPerWrite) {
		writes := &openfgav1.WriteRequestWrites{OnDuplicate: "ignore"}
		for _, t := range batch {
			key, err := keyOf(t)
			if err != nil {
				return added, removed, err
			}
			writes.TupleKeys = append(writes.TupleKeys, key)
		}
		if _, err := d.client.fga.Write(ctx, &openfgav1.WriteRequest{StoreId: d.store, Writes: writes}); err != nil {
			return added, removed, fmt.Errorf("write tuples: %w", err)
		}
		for _, t := range batch {
			d.tuples[t.Tuple] = t
		}
		added += len(batch)
	}
	return added, removed, nil
}

func sameGrants(a, b modeltest.Tuple) bool {
	return slices.EqualFunc(a.Conditions, b.Conditions, func(x, y ostiary.Grant) bool {
		return x.Condition == y.Condition && bytes.Equal(x.Context, y.Context)
	})
}

// keyOf returns a tuple as the API has it.
func keyOf(t modeltest.Tuple) (*openfgav1.TupleKey, error) {
	key := tupleKey(t.Tuple)
	if len(t.Conditions) > 0 {
		condition, err := newCondition(t.Conditions[0].Condition, t.Conditions[0].Context)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", t.File, t.Line, err)
		}
		key.Condition = condition
	}
	return key, nil
}

// sampleSize bounds the tuples among which an example is looked for.
const sampleSize = 20

// sample returns a question that is worth asking: one that is allowed by a rewrite rather than by a
// tuple, where the tuples hold one, else a tuple, else nothing.
func (d *developer) sample(ctx context.Context) *ostiary.Tuple {
	tuples := slices.SortedFunc(maps.Keys(d.tuples), func(a, b ostiary.Tuple) int { return a.Compare(b) })
	var plain []ostiary.Tuple
	for _, t := range tuples {
		if !t.Subject.IsUserset() && !t.Subject.IsWildcard() && len(d.tuples[t].Conditions) == 0 && len(plain) < sampleSize {
			plain = append(plain, t)
		}
	}
	for _, t := range plain {
		for _, r := range slices.Backward(d.model.Type(t.Object.Type).Relations) {
			if r.Name == t.Relation {
				continue
			}
			q := ostiary.Tuple{Object: t.Object, Relation: r.Name, Subject: t.Subject}
			answer, err := d.client.fga.Check(ctx, &openfgav1.CheckRequest{StoreId: d.store, TupleKey: &openfgav1.CheckRequestTupleKey{
				Object: q.Object.String(), Relation: q.Relation, User: q.Subject.String()}})
			if err == nil && answer.GetAllowed() {
				return &q
			}
		}
	}
	if len(plain) > 0 {
		return &plain[0]
	}
	return nil
}
