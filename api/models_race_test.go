package api_test

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
)

// Racing writers of models all succeed, and the list of models, newest first, is in the order of the
// revisions that they were written at. What it begins with is the latest model to every question.
func TestRacingModels(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		type written struct {
			id       string
			revision uint64
		}
		var all []written
		for range 3 {
			for _, a := range race(t, c, "WriteAuthorizationModel", modelFields(t, store, smallModel)) {
				if !succeeded(a) {
					t.Fatalf("got %d %d %s", a.code, a.status, a.message)
				}
				revision, err := strconv.ParseUint(a.headers.Get("Ostiary-Revision"), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, written{a.text(t, "authorization_model_id"), revision})
			}
		}
		slices.SortFunc(all, func(a, b written) int { return cmp.Compare(b.revision, a.revision) })
		var want, got []string
		for _, w := range all {
			want = append(want, w.id)
		}
		for token := ""; ; {
			f := fields{"store_id": store, "page_size": 5}
			if token != "" {
				f["continuation_token"] = token
			}
			page := c.ok(t, "ReadAuthorizationModels", f)
			for _, m := range page.list(t, "authorization_models") {
				got = append(got, m.(map[string]any)["id"].(string))
			}
			if token = page.text(t, "continuation_token"); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got models\n%q, want by revision\n%q", got, want)
		}
		check := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")})
		if latest := check.headers.Get("Openfga-Authorization-Model-Id"); latest != want[0] {
			t.Errorf("the latest model is %q, want %q", latest, want[0])
		}
	})
}
