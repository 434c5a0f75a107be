package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// retrying repeats calls that found no server. Only calls that may be repeated go through it.
type retrying struct{ grpc.ClientConnInterface }

func (r retrying) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return repeated(ctx, func() error { return r.ClientConnInterface.Invoke(ctx, method, args, reply, opts...) })
}

// repeated calls f again while it finds no server, within the bounds of a file's import.
func repeated(ctx context.Context, f func() error) error {
	backoff := firstWriteBackoff
	for attempt := 1; ; attempt++ {
		err := f()
		var refusal *serverError
		if err == nil || !errors.As(err, &refusal) || refusal.code != codes.Unavailable || attempt == maxWriteAttempts {
			return err
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return err
		}
		backoff *= 2
	}
}

// targetStore returns the state of a store, having created it at the target if need be.
func (m *migrator) targetStore(ctx context.Context, store *openfgav1.Store) (*migratedStore, error) {
	s := m.state.store(store.GetId())
	if s == nil {
		s = &migratedStore{Source: store.GetId(), Name: store.GetName(), Models: []migratedModel{}}
		m.state.Stores = append(m.state.Stores, s)
		if err := m.state.save(); err != nil { // an interrupted creation is found again by its name
			return nil, err
		}
	} else if s.Target == "" {
		orphan, err := m.orphan(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		s.Target = orphan
	}
	if s.Target != "" {
		if _, err := m.target.fga.GetStore(ctx, &openfgav1.GetStoreRequest{StoreId: s.Target}); err != nil {
			return nil, fmt.Errorf("find the store's copy %s (another --state begins a new one): %w", s.Target, err)
		}
		return s, m.state.save()
	}
	created, err := m.target.fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: s.Name})
	if err != nil {
		return nil, fmt.Errorf("create the store: %w", err)
	}
	s.Target = created.GetId()
	return s, m.state.save()
}

// orphan returns the store of the target that an interrupted run created and could not write down: the
// only one of that name without a model that the state does not know.
func (m *migrator) orphan(ctx context.Context, name string) (string, error) {
	var found []string
	err := m.target.eachStore(ctx, name, func(s *openfgav1.Store) {
		known := slices.ContainsFunc(m.state.Stores, func(other *migratedStore) bool { return other.Target == s.GetId() })
		if s.GetName() == name && !known {
			found = append(found, s.GetId())
		}
	})
	if err != nil || len(found) != 1 {
		return "", err
	}
	models, err := allModels(ctx, m.target, found[0])
	if err != nil || len(models) > 0 {
		return "", err
	}
	return found[0], nil
}

// allModels returns the models of a store, newest first.
func allModels(ctx context.Context, c *client, store string) ([]*openfgav1.AuthorizationModel, error) {
	var models []*openfgav1.AuthorizationModel
	request := &openfgav1.ReadAuthorizationModelsRequest{StoreId: store, PageSize: wrapperspb.Int32(50)}
	for {
		page, err := c.fga.ReadAuthorizationModels(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("read the models: %w", err)
		}
		models = append(models, page.GetAuthorizationModels()...)
		if page.GetContinuationToken() == "" {
			return models, nil
		}
		request.ContinuationToken = page.GetContinuationToken()
	}
}

// copyModels writes the models that the target lacks, oldest first, so that the latest stays the latest.
func (m *migrator) copyModels(ctx context.Context, s *migratedStore) error {
	models, err := allModels(ctx, m.source, s.Source)
	if err != nil {
		return err
	}
	slices.Reverse(models)
	known := 0
	for i, model := range models {
		if s.model(model.GetId()) < 0 {
			continue
		}
		if known++; known <= i {
			return fmt.Errorf("the model %s is older than %s, which was copied already: written now it would be the latest; begin anew with another --state",
				models[known-1].GetId(), model.GetId())
		}
	}
	if known == len(models) {
		return nil
	}
	there, err := allModels(ctx, m.target, s.Target)
	if err != nil {
		return err
	}
	for i, model := range models[known:] {
		latest := known+i == len(models)-1
		entry := migratedModel{Source: model.GetId()}
		if i == 0 && len(there) == len(s.targets())+1 && sameModel(model, there[0]) {
			entry.Target = there[0].GetId() // an interrupted run wrote it
		} else if entry.Target, err = m.writeModel(ctx, s, model); err != nil {
			var refusal *serverError
			if latest || !errors.As(err, &refusal) || !refusal.refusesContent() {
				return fmt.Errorf("write the model %s: %w", model.GetId(), err)
			}
			entry.Refused = refusal.message
			m.tell("the model %s is refused and left out: %s", model.GetId(), refusal.message)
		}
		s.Models = append(s.Models, entry)
		if err := m.state.save(); err != nil {
			return err
		}
	}
	return nil
}

func (m *migrator) writeModel(ctx context.Context, s *migratedStore, model *openfgav1.AuthorizationModel) (string, error) {
	written, err := m.target.fga.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: s.Target, SchemaVersion: model.GetSchemaVersion(),
		TypeDefinitions: model.GetTypeDefinitions(), Conditions: model.GetConditions(),
	})
	return written.GetAuthorizationModelId(), err
}

// sameModel reports whether two models differ in nothing but their ids.
func sameModel(a, b *openfgav1.AuthorizationModel) bool {
	b = proto.CloneOf(b)
	b.Id = a.GetId()
	return proto.Equal(a, b)
}

// changesMargin is taken from the time at which changes are followed from. Following a change twice
// does no harm, since the last change of a tuple decides.
const changesMargin = time.Minute

// copyTuples copies the tuples of a store, page by page, from where an earlier run ended.
func (m *migrator) copyTuples(ctx context.Context, s *migratedStore, report *storeReport) error {
	state := &s.Tuples
	if m.flags.recopy && state.Done {
		*state = migratedTuples{Changes: state.Changes}
	}
	if state.Done {
		return nil
	}
	if state.ChangesSince.IsZero() {
		since := time.Unix(m.sourceC.serverTime.Load(), 0)
		if since.Unix() == 0 || time.Now().Before(since) {
			since = time.Now()
		}
		state.ChangesSince = since.Add(-changesMargin).UTC()
		total, err := m.countTuples(ctx, s)
		if err != nil {
			return err
		}
		state.Total = total
		if err := m.state.save(); err != nil {
			return err
		}
	}
	progress := m.app.newProgress("copied", state.Total-state.Copied)
	defer progress.finish()
	for !state.Done {
		page, err := m.source.fga.Read(ctx, &openfgav1.ReadRequest{
			StoreId: s.Source, PageSize: wrapperspb.Int32(readPageSize), ContinuationToken: state.Page,
			Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
		})
		if err != nil {
			return fmt.Errorf("read tuples: %w", err)
		}
		keys := make([]*openfgav1.TupleKey, 0, len(page.GetTuples()))
		for _, tuple := range page.GetTuples() {
			keys = append(keys, tuple.GetKey())
		}
		rejected, err := m.put(ctx, s, keys, progress)
		if err != nil {
			return fmt.Errorf("write tuples: %w", err)
		}
		state.Copied += int64(len(keys)) - rejected
		state.Rejected += rejected
		report.Copied += int64(len(keys)) - rejected
		if page.GetContinuationToken() != "" && page.GetContinuationToken() == state.Page {
			return errors.New("the source repeats a page of its tuples")
		}
		state.Page, state.Done = page.GetContinuationToken(), page.GetContinuationToken() == ""
		progress.at(report.Copied, report.Copied)
		if err := m.state.save(); err != nil {
			return err
		}
	}
	return nil
}

// countTuples counts the tuples of a store at the source, so that the time left can be told.
func (m *migrator) countTuples(ctx context.Context, s *migratedStore) (int64, error) {
	n := int64(0)
	progress := m.app.newProgress("counted", 0)
	defer progress.finish()
	err := eachTuple(ctx, m.source, allOf(s.Source), func(*openfgav1.Tuple) bool {
		n++
		progress.at(n, 0)
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("count the tuples: %w", err)
	}
	return n, nil
}

// allOf asks for all tuples of a store, as new as they are.
func allOf(store string) *openfgav1.ReadRequest {
	return &openfgav1.ReadRequest{StoreId: store, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY}
}

// put makes tuples stand at the target, and returns how many it refused.
func (m *migrator) put(ctx context.Context, s *migratedStore, keys []*openfgav1.TupleKey, progress *progress) (rejected int64, err error) {
	for chunk := range slices.Chunk(keys, m.flags.maxTuples) {
		n, err := m.putChunk(ctx, s, chunk, progress)
		rejected += n
		if err != nil {
			return rejected, err
		}
	}
	return rejected, nil
}

func (m *migrator) putChunk(ctx context.Context, s *migratedStore, keys []*openfgav1.TupleKey, progress *progress) (rejected int64, err error) {
	err = m.write(ctx, s, "", keys, nil)
	var refusal *serverError
	if err == nil || !errors.As(err, &refusal) || !refusal.refusesContent() {
		return 0, err
	}
	if len(keys) > 1 {
		half := len(keys) / 2
		first, err := m.putChunk(ctx, s, keys[:half], progress)
		if err != nil {
			return first, err
		}
		second, err := m.putChunk(ctx, s, keys[half:], progress)
		return first + second, err
	}
	if settled, err := m.putRefused(ctx, s, keys[0], refusal); err != nil || settled {
		return 0, err
	}
	fault := fmt.Errorf("%s: %s (%s)", tupleText(keys[0]), refusal.message, codeName(refusal.code))
	progress.interrupt(func() { m.tell("refused: %v", fault) })
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(keys[0])
	if err != nil {
		return 0, err
	}
	var compact json.RawMessage = data
	if data, err = json.Marshal(compact); err != nil {
		return 0, err
	}
	return 1, m.rejects.add(s.Name, row{raw: data, line: int(s.Tuples.Rejected) + 1, fault: fault})
}

// putRefused tries a tuple that the latest model refuses by older models, newest first: OpenFGA keeps
// tuples that were written by a model that is no longer the latest. A tuple that stands with another
// condition is replaced.
func (m *migrator) putRefused(ctx context.Context, s *migratedStore, key *openfgav1.TupleKey, refusal *serverError) (settled bool, err error) {
	one := []*openfgav1.TupleKey{key}
	if refusal.code == codes.Aborted {
		if err := m.write(ctx, s, "", nil, one); err != nil {
			return false, err
		}
		return true, m.write(ctx, s, "", one, nil)
	}
	models := s.targets()
	for _, model := range models[1:] {
		err := m.write(ctx, s, model, one, nil)
		var again *serverError
		if err == nil || !errors.As(err, &again) || !again.refusesContent() {
			return err == nil, err
		}
	}
	return false, nil
}

// write makes one Write call that may be repeated: what is there already, or gone already, is no fault.
func (m *migrator) write(ctx context.Context, s *migratedStore, model string, writes, deletes []*openfgav1.TupleKey) error {
	request := &openfgav1.WriteRequest{StoreId: s.Target, AuthorizationModelId: model}
	if len(writes) > 0 {
		request.Writes = &openfgav1.WriteRequestWrites{TupleKeys: writes, OnDuplicate: "ignore"}
	}
	if len(deletes) > 0 {
		request.Deletes = &openfgav1.WriteRequestDeletes{OnMissing: "ignore"}
		for _, key := range deletes {
			request.Deletes.TupleKeys = append(request.Deletes.TupleKeys, &openfgav1.TupleKeyWithoutCondition{
				Object: key.GetObject(), Relation: key.GetRelation(), User: key.GetUser(),
			})
		}
	}
	return repeated(ctx, func() error {
		_, err := m.target.fga.Write(ctx, request)
		return err
	})
}

// followChanges does at the target what was done at the source since the copy began, in its order, until
// the source has no more.
func (m *migrator) followChanges(ctx context.Context, s *migratedStore, report *storeReport) error {
	state := &s.Tuples
	progress := m.app.newProgress("changes followed", 0)
	defer progress.finish()
	for {
		request := &openfgav1.ReadChangesRequest{
			StoreId: s.Source, PageSize: wrapperspb.Int32(readPageSize), ContinuationToken: state.ChangesPage,
		}
		if state.ChangesPage == "" {
			request.StartTime = timestamppb.New(state.ChangesSince)
		}
		page, err := m.source.fga.ReadChanges(ctx, request)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		if len(page.GetChanges()) == 0 {
			return nil
		}
		deletes, writes := lastChanges(page.GetChanges())
		for chunk := range slices.Chunk(deletes, m.flags.maxTuples) {
			if err := m.write(ctx, s, "", nil, chunk); err != nil {
				return fmt.Errorf("follow deletions: %w", err)
			}
		}
		rejected, err := m.put(ctx, s, writes, progress)
		if err != nil {
			return fmt.Errorf("follow writes: %w", err)
		}
		state.Rejected += rejected
		state.Changes += int64(len(page.GetChanges()))
		report.Changes += int64(len(page.GetChanges()))
		state.ChangesPage = page.GetContinuationToken()
		progress.at(report.Changes, 0)
		if err := m.state.save(); err != nil {
			return err
		}
	}
}

// lastChanges turns changes into deletions and, after them, writes that have the same outcome. A tuple
// that was deleted and written again is in both, since its condition may be another.
func lastChanges(changes []*openfgav1.TupleChange) (deletes, writes []*openfgav1.TupleKey) {
	type outcome struct{ deleted, written *openfgav1.TupleKey }
	outcomes := map[string]*outcome{}
	var order []*outcome
	for _, change := range changes {
		key := change.GetTupleKey()
		name := key.GetObject() + "#" + key.GetRelation() + "@" + key.GetUser()
		o := outcomes[name]
		if o == nil {
			o = &outcome{}
			outcomes[name] = o
			order = append(order, o)
		}
		if change.GetOperation() == openfgav1.TupleOperation_TUPLE_OPERATION_DELETE {
			o.deleted, o.written = key, nil
		} else {
			o.written = key
		}
	}
	for _, o := range order {
		if o.deleted != nil {
			deletes = append(deletes, o.deleted)
		}
		if o.written != nil {
			writes = append(writes, o.written)
		}
	}
	return deletes, writes
}

// copyAssertions copies the assertions of every model that the target has.
func (m *migrator) copyAssertions(ctx context.Context, s *migratedStore) (int, error) {
	n := 0
	for _, model := range s.Models {
		if model.Target == "" {
			continue
		}
		read, err := m.source.fga.ReadAssertions(ctx, &openfgav1.ReadAssertionsRequest{StoreId: s.Source, AuthorizationModelId: model.Source})
		if err != nil {
			return n, fmt.Errorf("read the assertions of the model %s: %w", model.Source, err)
		}
		if len(read.GetAssertions()) == 0 {
			continue
		}
		_, err = m.target.fga.WriteAssertions(ctx, &openfgav1.WriteAssertionsRequest{
			StoreId: s.Target, AuthorizationModelId: model.Target, Assertions: read.GetAssertions(),
		})
		if err != nil {
			return n, fmt.Errorf("write the assertions of the model %s: %w", model.Source, err)
		}
		n += len(read.GetAssertions())
	}
	return n, nil
}

// maxTold bounds the refusals that are told one by one.
const maxTold = 20

// tell says a line on stderr, unless very many were said.
func (m *migrator) tell(format string, args ...any) {
	if m.told++; m.told <= maxTold {
		m.app.talkf(format, args...)
	} else if m.told == maxTold+1 {
		m.app.talkf("more refusals follow and are counted; --rejects FILE keeps them all")
	}
}
