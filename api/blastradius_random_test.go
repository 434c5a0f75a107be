package api_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// blastModels are models of one store, of which each lets others in.
var blastModels = []string{`model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, user:*, group#member]
type doc
  relations
    define parent: [folder]
    define banned: [user, group#member]
    define editor: [user]
    define viewer: ([user, group#member] or editor or viewer from parent) but not banned
`, `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, user:*, group#member]
type doc
  relations
    define parent: [folder]
    define banned: [user]
    define editor: [user]
    define viewer: ([user] or viewer from parent) and editor
`}

// blastTuples draws tuples that the models allow.
func blastTuples(r *rand.Rand, n int) map[string]bool {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	user := func() string { return pick("user:a", "user:b", "user:c") }
	set := func() string { return pick("group:x#member", "group:y#member", user()) }
	all := map[string]bool{}
	for len(all) < n {
		switch doc, folder := pick("doc:1", "doc:2", "doc:3"), pick("folder:f", "folder:g"); r.IntN(7) {
		case 0:
			all["group:"+pick("x", "y")+"#member@"+user()] = true
		case 1:
			all["group:x#member@group:y#member"] = true
		case 2:
			all[folder+"#viewer@"+pick("user:*", set(), set(), set())] = true
		case 3:
			all[doc+"#parent@"+folder] = true
		case 4:
			all[doc+"#banned@"+set()] = true
		case 5:
			all[doc+"#editor@"+user()] = true
		case 6:
			all[doc+"#viewer@"+set()] = true
		}
	}
	return all
}

// What a change is said to give and to take is the difference between what Check says before and after it.
func TestBlastRadiusEqualsChecks(t *testing.T) {
	h := start(t)
	c := h.surfaces()[0]
	asked := []string{"doc#viewer", "doc#banned", "folder#viewer", "group#member"}
	checks := func(store string) map[string]bool {
		t.Helper()
		allowed := map[string]bool{}
		var names []string
		var items []fields
		for _, ground := range []string{"doc:1#viewer", "doc:2#viewer", "doc:3#viewer", "doc:1#banned", "doc:2#banned", "doc:3#banned",
			"folder:f#viewer", "folder:g#viewer", "group:x#member", "group:y#member"} {
			for _, user := range []string{"user:a", "user:b", "user:c", "user:*"} {
				names = append(names, ground+"@"+user)
				items = append(items, fields{"tuple_key": key(ground + "@" + user), "correlation_id": fmt.Sprint(len(items))})
			}
		}
		result := c.ok(t, "BatchCheck", fields{"store_id": store, "checks": items}).body.(map[string]any)["result"].(map[string]any)
		for i, name := range names {
			one := result[fmt.Sprint(i)].(map[string]any)
			if one["error"] != nil {
				t.Fatalf("%s: %v", name, one)
			}
			allowed[name] = one["allowed"] == true
		}
		return allowed
	}
	shifts := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		store, _ := c.newStore(t, blastModels[0])
		tuples := blastTuples(r, 14)
		c.write(t, store, slices.Sorted(maps.Keys(tuples))...)
		before := checks(store)
		question := fields{"store_id": store, "relations": asked, "consistency": "CONSISTENCY_LINEARIZABLE"}
		var change func()
		if seed%3 == 0 {
			question["model"] = blastModels[1]
			change = func() { c.ok(t, "WriteAuthorizationModel", modelFields(t, store, blastModels[1])) }
		} else {
			var writes, deletes []string
			for _, text := range slices.Sorted(maps.Keys(tuples)) {
				if r.IntN(5) == 0 {
					deletes = append(deletes, text)
				}
			}
			for _, text := range slices.Sorted(maps.Keys(blastTuples(r, 3))) {
				if !tuples[text] {
					writes = append(writes, text)
				}
			}
			deletes = append(deletes, slices.DeleteFunc(slices.Sorted(maps.Keys(tuples)), func(x string) bool { return slices.Contains(deletes, x) })[0])
			puts, gone := []fields{}, []fields{}
			for _, text := range writes {
				puts = append(puts, fields{"key": key(text)})
			}
			for _, text := range deletes {
				gone = append(gone, key(text))
			}
			question["tuples"] = fields{"writes": puts, "deletes": gone}
			change = func() {
				f := fields{"store_id": store, "deletes": keys(deletes...)}
				if len(writes) > 0 {
					f["writes"] = keys(writes...)
				}
				c.ok(t, "Write", f)
			}
		}
		answer := c.ok(t, "BlastRadius", question).body.(map[string]any)
		said := shiftsIn(answer)
		question["max_shifts"] = 1
		one := c.ok(t, "BlastRadius", question).body.(map[string]any)
		if few := shiftsIn(one); len(few) > 1 || len(few) < len(said) && one["truncated"] != "shifts" || len(few) == 1 && !slices.Contains(said, few[0]) {
			t.Errorf("world %d: of %v one is named as %v", seed, said, one)
		}
		change()
		after := checks(store)
		want := []string{}
		for name := range before {
			switch {
			// Nobody is asked about whom no tuple names.
			case before[name] == after[name], !names(tuples, question, name[strings.Index(name, "@")+1:]):
			case after[name]:
				want = append(want, "gained "+name)
			default:
				want = append(want, "lost "+name)
			}
		}
		slices.Sort(said)
		slices.Sort(want)
		shifts += len(want)
		if !slices.Equal(said, want) || answer["truncated"] != "" {
			t.Errorf("world %d of %v, %v:\ngot  %v\nwant %v\ncut at %v", seed, slices.Sorted(maps.Keys(tuples)), question, said, want, answer["truncated"])
		}
	}
	if shifts < 20 {
		t.Errorf("all worlds together shifted %d", shifts)
	}
}

// names reports whether a tuple, or a change, names a user.
func names(tuples map[string]bool, change fields, user string) bool {
	for text := range tuples {
		if strings.HasSuffix(text, "@"+user) {
			return true
		}
	}
	return strings.Contains(fmt.Sprint(change["tuples"]), user+" ") || strings.Contains(fmt.Sprint(change["tuples"]), user+"]")
}

// A question writes nothing: neither the revision nor the audit moves by it.
func TestBlastRadiusWritesNothing(t *testing.T) {
	w, ann := newSessionWorld(t)
	w.grant("document:1", "viewer", "user:"+ann, "", nil)
	client, audits := ostiaryv1.NewBlastRadiusServiceClient(w.conn), ostiaryv1.NewAuditServiceClient(w.conn)
	head := func() string {
		t.Helper()
		answer, err := audits.GetAuditHead(t.Context(), &ostiaryv1.GetAuditHeadRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return answer.String()
	}
	before := head()
	for _, request := range []*ostiaryv1.BlastRadiusRequest{
		{Change: &ostiaryv1.BlastRadiusRequest_DeleteFilter{DeleteFilter: &ostiaryv1.TupleFilter{Object: "document:1"}}},
		{Change: &ostiaryv1.BlastRadiusRequest_User{User: &ostiaryv1.BlastRadiusUser{OrganizationId: "acme", UserId: ann,
			Change: ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DELETE}}},
		{Change: &ostiaryv1.BlastRadiusRequest_User{User: &ostiaryv1.BlastRadiusUser{OrganizationId: "acme", UserId: ann,
			Change: ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_BLOCK}}},
	} {
		request.StoreId = w.store
		if _, err := client.BlastRadius(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	if after := head(); after != before || before == "" {
		t.Errorf("the head of the audit was %q and is %q", before, after)
	}
}
