package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// shiftsIn returns the shifts of an answer as lines.
func shiftsIn(answer map[string]any) []string {
	var all []string
	list, _ := answer["shifts"].([]any)
	for _, item := range list {
		shift := item.(map[string]any)
		k := shift["key"].(map[string]any)
		effect := strings.ToLower(strings.TrimPrefix(fmt.Sprint(shift["effect"]), "BLAST_RADIUS_EFFECT_"))
		all = append(all, fmt.Sprintf("%s %s#%s@%s", effect, k["object"], k["relation"], k["user"]))
	}
	return all
}

func TestBlastRadius(t *testing.T) {
	const text = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define banned: [user]
    define viewer: [user, group#member] but not banned
`
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, model := c.newStore(t, text)
		c.write(t, store, "doc:1#viewer@group:g#member", "doc:2#viewer@user:bob", "group:g#member@user:ann", "group:h#member@user:bob",
			"group:h#member@user:eve", "doc:1#banned@user:eve")
		ask := func(f fields) map[string]any {
			t.Helper()
			f["store_id"] = store
			return c.ok(t, "BlastRadius", f).body.(map[string]any)
		}
		for _, tc := range []struct {
			name   string
			change fields
			want   []string
		}{
			{"a group joins", fields{"tuples": fields{"writes": []fields{{"key": key("group:g#member@group:h#member")}}}}, []string{"gained doc:1#viewer@user:bob"}},
			{"a ban ends", fields{"tuples": fields{"deletes": []fields{key("doc:1#banned@user:eve")}}}, nil},
			{"a member leaves", fields{"tuples": fields{"deletes": []fields{key("group:g#member@user:ann")}}}, []string{"lost doc:1#viewer@user:ann"}},
			{"of groups", fields{"relations": []string{"group#member"}, "tuples": fields{"deletes": []fields{key("group:h#member@user:bob")}}},
				[]string{"lost group:h#member@user:bob"}},
			{"all of doc:1", fields{"delete_filter": fields{"object": "doc:1"}}, []string{"lost doc:1#viewer@user:ann"}},
			{"another model", fields{"model": strings.Replace(text, " but not banned", "", 1),
				"tuples": nil}, nil},
			{"a model without groups", fields{"model": strings.Replace(text, "define viewer: [user, group#member]", "define viewer: [user]", 1)},
				[]string{"lost doc:1#viewer@user:ann"}},
		} {
			got := ask(tc.change)
			if lines := shiftsIn(got); !slices.Equal(lines, tc.want) || got["truncated"] != "" || got["authorization_model_id"] != model {
				t.Errorf("%s: got %v of %v, want %v", tc.name, lines, got, tc.want)
			}
		}
		if got := c.ok(t, "ListObjects", fields{"store_id": store, "type": "doc", "relation": "viewer", "user": "user:ann"}).body.(map[string]any); fmt.Sprint(got["objects"]) != "[doc:1]" {
			t.Errorf("something was changed: %v", got)
		}
		if c.name != "grpc" {
			return
		}
		for _, tc := range []struct {
			change fields
			code   codes.Code
		}{
			{fields{}, codes.InvalidArgument},
			{fields{"model": "model\n  schema 9"}, codes.InvalidArgument},
			{fields{"tuples": fields{}}, codes.InvalidArgument},
			{fields{"tuples": fields{"writes": []fields{{"key": key("doc:1#nope@user:ann")}}}}, codes.InvalidArgument},
			{fields{"tuples": fields{"writes": []fields{{"key": key("group:g#member@user:ann")}}}}, codes.FailedPrecondition},
			{fields{"tuples": fields{"deletes": []fields{key("group:g#member@user:nobody")}}}, codes.FailedPrecondition},
			{fields{"delete_filter": fields{}}, codes.InvalidArgument},
			{fields{"relations": []string{"viewer"}, "delete_filter": fields{"object": "doc:1"}}, codes.InvalidArgument},
			{fields{"relations": []string{"doc#nope"}, "delete_filter": fields{"object": "doc:1"}}, codes.InvalidArgument},
			{fields{"max_shifts": 10001, "delete_filter": fields{"object": "doc:1"}}, codes.InvalidArgument},
			{fields{"user": fields{"organization_id": "acme", "user_id": "ann", "change": "BLAST_RADIUS_USER_CHANGE_BLOCK"}}, codes.InvalidArgument},
		} {
			if a := c.ask(t, "BlastRadius", tc.change.in(store)); a.code != tc.code {
				t.Errorf("%v: got code %d %s, want %s", tc.change, a.code, a.message, tc.code)
			}
		}
	})
}

// What a change of a person is said to take is what Check denies once it is made.
func TestBlastRadiusOfPeople(t *testing.T) {
	w, ann := newSessionWorld(t)
	for _, object := range []string{"document:1", "document:2", "document:3"} {
		w.grant(object, "viewer", "user:"+ann, "", nil)
	}
	w.grant("document:2", "viewer", "user:somebody", "", nil)
	w.grant("document:4", "viewer", "organization:acme#member", "", nil)
	client := ostiaryv1.NewBlastRadiusServiceClient(w.conn)
	ask := func(change ostiaryv1.BlastRadiusUserChange, relations ...string) *ostiaryv1.BlastRadiusResponse {
		t.Helper()
		got, err := client.BlastRadius(t.Context(), &ostiaryv1.BlastRadiusRequest{StoreId: w.store, Relations: relations, Consistency: ostiaryv1.Consistency_CONSISTENCY_LINEARIZABLE,
			Change: &ostiaryv1.BlastRadiusRequest_User{User: &ostiaryv1.BlastRadiusUser{OrganizationId: "acme", UserId: ann, Change: change}}})
		if err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		return got
	}
	lines := func(r *ostiaryv1.BlastRadiusResponse) (all []string) {
		for _, s := range r.GetShifts() {
			all = append(all, strings.TrimPrefix(s.GetEffect().String(), "BLAST_RADIUS_EFFECT_")+" "+s.GetKey().GetObject()+" "+strings.ReplaceAll(s.GetKey().GetUser(), ann, "ann"))
		}
		return all
	}
	allows := func(object string) bool {
		t.Helper()
		answer, err := w.fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: w.store,
			TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:" + ann, Relation: "viewer", Object: object}})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetAllowed()
	}
	session := "session:" + w.logIn(identity.SessionInput{User: ann})
	everything := "[LOST document:1 user:ann LOST document:2 user:ann LOST document:3 user:ann LOST document:4 user:ann]"
	for _, change := range []ostiaryv1.BlastRadiusUserChange{ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DEACTIVATE,
		ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DELETE, ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_BLOCK} {
		got := ask(change, "document#viewer")
		if fmt.Sprint(lines(got)) != everything || fmt.Sprint(got.GetEndedSessions()) != "["+session+"]" || got.GetTruncated() != "" {
			t.Errorf("%s: got %v", change, got)
		}
	}
	got := ask(ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_REVOKE_SESSIONS, "document#viewer", "organization#live")
	if fmt.Sprint(lines(got)) != "[LOST organization:acme user:ann]" || len(got.GetEndedSessions()) != 1 {
		t.Errorf("a revocation: got %v", got)
	}
	if got := ask(ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_UNBLOCK, "document#viewer"); len(got.GetShifts()) != 0 {
		t.Errorf("who is not blocked is unblocked: %v", got)
	}
	for _, object := range []string{"document:1", "document:2", "document:3", "document:4"} {
		if !allows(object) {
			t.Errorf("%s was lost by a question", object)
		}
	}
	w.setActive(ann, false)
	for _, object := range []string{"document:1", "document:2", "document:3", "document:4"} {
		if allows(object) {
			t.Errorf("%s is not lost by the deactivation", object)
		}
	}
	// Behind a closed gate nothing is gained.
	gained, err := client.BlastRadius(t.Context(), &ostiaryv1.BlastRadiusRequest{StoreId: w.store, Relations: []string{"document#viewer"},
		Change: &ostiaryv1.BlastRadiusRequest_Tuples{Tuples: &ostiaryv1.BlastRadiusTuples{Writes: []*ostiaryv1.BlastRadiusTuple{
			{Key: &ostiaryv1.TupleKey{Object: "document:9", Relation: "viewer", User: "user:" + ann}},
			{Key: &ostiaryv1.TupleKey{Object: "document:9", Relation: "viewer", User: "user:else"}}}}}})
	if err != nil || fmt.Sprint(lines(gained)) != "[GAINED document:9 user:else]" {
		t.Errorf("got %v, %v", gained, err)
	}
	_, err = client.BlastRadius(t.Context(), &ostiaryv1.BlastRadiusRequest{StoreId: w.store, Change: &ostiaryv1.BlastRadiusRequest_User{
		User: &ostiaryv1.BlastRadiusUser{OrganizationId: "acme", UserId: "nobody", Change: ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_BLOCK}}})
	if status.Code(err) != codes.NotFound {
		t.Errorf("of nobody: %v", err)
	}
}
