package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ostiary/ostiary/dsl"
)

// The kinds of assertions, as results name them.
const (
	KindCheck       = "check"
	KindListObjects = "list objects"
	KindListUsers   = "list users"
)

// Results counts assertions by kind, and gathers what failed and what was skipped.
type Results struct {
	Passed, Failed, Skipped map[string]int
	Failures                []string
	// Skips holds the tests that were skipped, each with the reason.
	Skips []string
}

// NewResults returns empty results.
func NewResults() *Results {
	return &Results{Passed: map[string]int{}, Failed: map[string]int{}, Skipped: map[string]int{}}
}

// String says how many assertions of each kind passed, failed and were skipped.
func (r *Results) String() string {
	var lines []string
	for _, kind := range []string{KindCheck, KindListObjects, KindListUsers} {
		lines = append(lines, fmt.Sprintf("%-13s %5d passed %5d failed %5d skipped", kind, r.Passed[kind], r.Failed[kind], r.Skipped[kind]))
	}
	return strings.Join(lines, "\n")
}

// Fail notes that a test could not be run: one failed check.
func (r *Results) Fail(name string, err error) {
	r.judge(KindCheck, name, err.Error())
}

func (r *Results) judge(kind, name string, problem string) {
	if problem == "" {
		r.Passed[kind]++
		return
	}
	r.Failed[kind]++
	r.Failures = append(r.Failures, name+": "+problem)
}

// skipReason says why a test cannot be run; empty is that it can.
func skipReason(mode Mode, test SuiteTest) string {
	if mode == Contextual && len(test.Stages) > 1 {
		return "its stages need what earlier ones wrote"
	}
	for _, stage := range test.Stages {
		if mode == Contextual && len(stage.Tuples) > maxContextual {
			return fmt.Sprintf("%d tuples are more than one question may carry", len(stage.Tuples))
		}
	}
	return ""
}

// Mode says how the tuples of a stage reach the server.
type Mode string

// The modes of a suite.
const (
	Stored     Mode = "stored"     // written
	Contextual Mode = "contextual" // sent with every question
)

// maxContextual is OpenFGA's limit on the contextual tuples of one question.
const maxContextual = 100

// RunTest runs one test of a suite on a store of its own. The error is one that kept the assertions
// from being asked.
func RunTest(ctx context.Context, c openfgav1.OpenFGAServiceClient, mode Mode, test SuiteTest, results *Results) error {
	if reason := skipReason(mode, test); reason != "" {
		results.Skips = append(results.Skips, test.Name+": "+reason)
		for _, stage := range test.Stages {
			results.Skipped[KindCheck] += len(stage.Checks)
			results.Skipped[KindListObjects] += len(stage.ListObjects)
			results.Skipped[KindListUsers] += len(stage.ListUsers)
		}
		return nil
	}
	store, err := c.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "conformance"})
	if err != nil {
		return fmt.Errorf("%s: create a store: %w", test.Name, err)
	}
	for i, stage := range test.Stages {
		name := fmt.Sprintf("%s/stage %d", test.Name, i+1)
		run := &stageRun{client: c, store: store.GetId(), name: name, results: results}
		if mode == Contextual {
			run.always, stage.Tuples = stage.Tuples, nil
		}
		if err := run.prepare(ctx, stage); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, a := range stage.Checks {
			run.check(ctx, a)
		}
		for _, a := range stage.ListObjects {
			run.listObjects(ctx, a)
		}
		for _, a := range stage.ListUsers {
			run.listUsers(ctx, a)
		}
	}
	return nil
}

// stageRun asks the questions of one stage.
type stageRun struct {
	client             openfgav1.OpenFGAServiceClient
	store, model, name string
	always             []SuiteTuple // contextual tuples of every question
	results            *Results
}

func (s *stageRun) prepare(ctx context.Context, stage SuiteStage) error {
	model, err := WriteModel(ctx, s.client, s.store, stage.Model)
	if err != nil {
		return err
	}
	s.model = model
	return WriteTuples(ctx, s.client, s.store, model, stage.Tuples)
}

// WriteModel compiles a model in the DSL, writes it, and returns its id.
func WriteModel(ctx context.Context, c openfgav1.OpenFGAServiceClient, store, text string) (string, error) {
	compiled, err := dsl.Compile("model", []byte(text))
	if err != nil {
		return "", fmt.Errorf("compile the model: %w", err)
	}
	data, err := dsl.JSON(compiled)
	if err != nil {
		return "", fmt.Errorf("turn the model into JSON: %w", err)
	}
	return WriteModelJSON(ctx, c, store, data)
}

// WriteModelJSON writes a model in OpenFGA's JSON form and returns its id.
func WriteModelJSON(ctx context.Context, c openfgav1.OpenFGAServiceClient, store string, data []byte) (string, error) {
	request := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, request); err != nil {
		return "", fmt.Errorf("read the model's JSON: %w", err)
	}
	request.StoreId = store
	answer, err := c.WriteAuthorizationModel(ctx, request)
	if err != nil {
		return "", fmt.Errorf("write the model: %w", err)
	}
	return answer.GetAuthorizationModelId(), nil
}

// tuplesPerWrite is OpenFGA's limit on one Write.
const tuplesPerWrite = 100

// WriteTuples writes tuples under a model.
func WriteTuples(ctx context.Context, c openfgav1.OpenFGAServiceClient, store, model string, tuples []SuiteTuple) error {
	for part := range slices.Chunk(tuples, tuplesPerWrite) {
		_, err := c.Write(ctx, &openfgav1.WriteRequest{
			StoreId: store, AuthorizationModelId: model, Writes: &openfgav1.WriteRequestWrites{TupleKeys: keysOf(part)}})
		if err != nil {
			return fmt.Errorf("write %d tuples, the first of them %s: %w", len(part), part[0], err)
		}
	}
	return nil
}

func keysOf(tuples []SuiteTuple) []*openfgav1.TupleKey {
	keys := make([]*openfgav1.TupleKey, 0, len(tuples))
	for _, t := range tuples {
		key := &openfgav1.TupleKey{Object: t.Object, Relation: t.Relation, User: t.User}
		if t.Condition != nil {
			key.Condition = &openfgav1.RelationshipCondition{Name: t.Condition.Name, Context: t.Condition.Context.Struct}
		}
		keys = append(keys, key)
	}
	return keys
}

func contextual(tuples []SuiteTuple) *openfgav1.ContextualTupleKeys {
	if len(tuples) == 0 {
		return nil
	}
	return &openfgav1.ContextualTupleKeys{TupleKeys: keysOf(tuples)}
}

// with adds the contextual tuples of every question to those of one.
func (s *stageRun) with(tuples []SuiteTuple) []SuiteTuple { return slices.Concat(tuples, s.always) }

func (s *stageRun) check(ctx context.Context, a CheckAssertion) {
	answer, err := s.client.Check(ctx, &openfgav1.CheckRequest{
		StoreId: s.store, AuthorizationModelId: s.model,
		TupleKey:         &openfgav1.CheckRequestTupleKey{Object: a.Tuple.Object, Relation: a.Tuple.Relation, User: a.Tuple.User},
		ContextualTuples: contextual(s.with(a.ContextualTuples)), Context: a.Context.Struct,
	})
	problem := wrongCode(a.ErrorCode, err)
	if problem == "" && a.ErrorCode == 0 && answer.GetAllowed() != a.Expectation {
		problem = fmt.Sprintf("got allowed=%t, want %t", answer.GetAllowed(), a.Expectation)
	}
	s.results.judge(KindCheck, fmt.Sprintf("%s: check %s", s.name, a.Tuple), problem)
}

func (s *stageRun) listObjects(ctx context.Context, a ObjectAssertion) {
	answer, err := s.client.ListObjects(ctx, &openfgav1.ListObjectsRequest{
		StoreId: s.store, AuthorizationModelId: s.model,
		User: a.Request.User, Relation: a.Request.Relation, Type: a.Request.Type,
		ContextualTuples: contextual(s.with(a.ContextualTuples)), Context: a.Context.Struct,
	})
	problem := wrongCode(a.ErrorCode, err)
	if problem == "" && a.ErrorCode == 0 {
		problem = wrongList(answer.GetObjects(), a.Expectation)
	}
	s.results.judge(KindListObjects, fmt.Sprintf("%s: list %s that %s has as %s", s.name, a.Request.Type, a.Request.User, a.Request.Relation), problem)
}

func (s *stageRun) listUsers(ctx context.Context, a UserAssertion) {
	typ, id, _ := strings.Cut(a.Request.Object, ":")
	request := &openfgav1.ListUsersRequest{
		StoreId: s.store, AuthorizationModelId: s.model,
		Object: &openfgav1.Object{Type: typ, Id: id}, Relation: a.Request.Relation,
		ContextualTuples: keysOf(s.with(a.ContextualTuples)), Context: a.Context.Struct,
	}
	for _, filter := range a.Request.Filters {
		userType, relation, _ := strings.Cut(filter, "#")
		request.UserFilters = append(request.UserFilters, &openfgav1.UserTypeFilter{Type: userType, Relation: relation})
	}
	answer, err := s.client.ListUsers(ctx, request)
	problem := wrongCode(a.ErrorCode, err)
	if problem == "" && a.ErrorCode == 0 {
		problem = wrongList(userTexts(answer), a.Expectation)
	}
	s.results.judge(KindListUsers, fmt.Sprintf("%s: list %v that have %s as %s", s.name, a.Request.Filters, a.Request.Object, a.Request.Relation), problem)
}

// userTexts are the users of an answer as they stand in tuples.
func userTexts(answer *openfgav1.ListUsersResponse) []string {
	texts := make([]string, 0, len(answer.GetUsers()))
	for _, user := range answer.GetUsers() {
		switch u := user.GetUser().(type) {
		case *openfgav1.User_Object:
			texts = append(texts, u.Object.GetType()+":"+u.Object.GetId())
		case *openfgav1.User_Userset:
			texts = append(texts, u.Userset.GetType()+":"+u.Userset.GetId()+"#"+u.Userset.GetRelation())
		case *openfgav1.User_Wildcard:
			texts = append(texts, u.Wildcard.GetType()+":*")
		}
	}
	return texts
}

// wrongCode compares the error of a call with the number that is expected; empty is as expected.
func wrongCode(want ErrorCode, err error) string {
	if got := codeOf(err); got != want {
		return fmt.Sprintf("got error %d (%v), want %d", got, err, want)
	}
	return ""
}

// wrongList compares lists as sets in which nothing stands twice; empty is as expected.
func wrongList(got, want []string) string {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return ""
	}
	missing, extra := without(want, got), without(got, want)
	const shown = 5
	return fmt.Sprintf("got %d entries, want %d; missing %v, extra %v",
		len(got), len(want), missing[:min(shown, len(missing))], extra[:min(shown, len(extra))])
}

// without returns the entries of a that are not among b, each as often as it stands in a more.
func without(a, b []string) []string {
	counts := map[string]int{}
	for _, s := range b {
		counts[s]++
	}
	var rest []string
	for _, s := range a {
		if counts[s]--; counts[s] < 0 {
			rest = append(rest, s)
		}
	}
	return rest
}
