package bench

import (
	"errors"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// encodeBoth returns a message as each protocol carries it.
func encodeBoth(t *testing.T, m proto.Message) map[Protocol][]byte {
	t.Helper()
	wire, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return map[Protocol][]byte{GRPC: wire, HTTP: text}
}

func TestAnswersOfChecks(t *testing.T) {
	for _, want := range []bool{true, false} {
		for protocol, answer := range encodeBoth(t, &openfgav1.CheckResponse{Allowed: want, Resolution: "x"}) {
			if got, err := protocol.allowed(answer); err != nil || got != want {
				t.Errorf("%s: %v, %v, want %v", protocol, got, err, want)
			}
		}
	}
}

func TestAnswersOfBatches(t *testing.T) {
	single := func(allowed bool) *openfgav1.BatchCheckSingleResult {
		return &openfgav1.BatchCheckSingleResult{CheckResult: &openfgav1.BatchCheckSingleResult_Allowed{Allowed: allowed}}
	}
	batch := &openfgav1.BatchCheckResponse{Result: map[string]*openfgav1.BatchCheckSingleResult{
		"0": single(true), "1": single(false), "2": single(true),
	}}
	for protocol, answer := range encodeBoth(t, batch) {
		if answered, allowed, err := protocol.batchOutcome(answer); answered != 3 || allowed != 2 || err != nil {
			t.Errorf("%s: %d answers, %d allowed, %v", protocol, answered, allowed, err)
		}
		answers, err := Target{Protocol: protocol}.batch(answer, 3)
		if err != nil || !answers[0] || answers[1] || !answers[2] {
			t.Errorf("%s: answers %v, %v", protocol, answers, err)
		}
	}
	batch.Result["1"] = &openfgav1.BatchCheckSingleResult{CheckResult: &openfgav1.BatchCheckSingleResult_Error{
		Error: &openfgav1.CheckError{Message: "deadline exceeded"},
	}}
	for protocol, answer := range encodeBoth(t, batch) {
		if _, _, err := protocol.batchOutcome(answer); !errors.Is(err, errBatchItem) {
			t.Errorf("%s: an answer that is an error passes: %v", protocol, err)
		}
		if _, err := (Target{Protocol: protocol}).batch(answer, 3); err == nil {
			t.Errorf("%s: an answer that is an error is classified", protocol)
		}
	}
}

func TestAnswersOfLists(t *testing.T) {
	for protocol, answer := range encodeBoth(t, &openfgav1.ListObjectsResponse{Objects: []string{"doc:1", "doc:2"}}) {
		if n, err := protocol.results(methodListObjects, answer); n != 2 || err != nil {
			t.Errorf("%s: %d objects, %v", protocol, n, err)
		}
	}
	users := &openfgav1.ListUsersResponse{Users: []*openfgav1.User{{User: &openfgav1.User_Object{Object: &openfgav1.Object{Type: "user", Id: "a"}}}}}
	for protocol, answer := range encodeBoth(t, users) {
		if n, err := protocol.results(methodListUsers, answer); n != 1 || err != nil {
			t.Errorf("%s: %d users, %v", protocol, n, err)
		}
	}
}
