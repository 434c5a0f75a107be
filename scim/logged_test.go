package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary/identity"
)

func (w *world) log(q identity.LogQuery) []identity.LogEntry {
	w.t.Helper()
	if q.Limit == 0 {
		q.Limit = identity.MaxLogEntries
	}
	all, err := w.service.ConnectionLog(w.operator(), store, w.connection.ID, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// The log of a connection shows each request beside what it changed, and no value of any.
func TestConnectionLog(t *testing.T) {
	w := newWorld(t, nil)
	begin := len(w.log(identity.LogQuery{}))
	secret := "ann@acme.test"
	created := w.send("POST", "/Users", `{`+userSchema+`,"userName":"`+secret+`","name":{"givenName":"Ann"},"x":"`+secret+`"}`, "X-Request-Id", "first").want(201)
	id := created.id()
	w.send("POST", "/Users", `{`+userSchema+`,"userName":"`+secret+`"}`).refused(409, "uniqueness")
	w.patch("/Users/"+id, `{"op":"replace","path":"name.givenName","value":"Ann"}`).want(200) // changes nothing
	w.patch("/Users/"+id, `{"op":"add","path":"emails[type eq \"work\"].value","value":"`+secret+`"},{"op":"replace","value":{"active":false}}`).want(200)
	w.send("GET", "/Users?filter=userName%20eq%20%22"+secret+"%22&count=1&"+secret+"=1", "").want(200)
	w.send("GET", "/Users/"+secret, "").want(404)
	bearer := w.bearer
	w.bearer = "Bearer " + secret
	w.send("GET", "/Users", "").want(401)
	w.bearer = bearer
	w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[{"method":"DELETE","path":"/Users/`+id+`"},{"method":"DELETE","path":"/Users/`+id+`"}]}`).want(200)

	got := []string{}
	for _, e := range w.log(identity.LogQuery{})[begin:] {
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, "ann@") {
			t.Errorf("the log holds a value: %s", text)
		}
		changes := []string{}
		for _, c := range e.Changes {
			changes = append(changes, fmt.Sprintf("%d %s#%s", c.Op, c.Tuple.Object.Type, c.Tuple.Relation))
		}
		slices.Sort(changes)
		got = append(got, strings.ReplaceAll(fmt.Sprintf("%s %s %v: %s %d %s %v", e.Method, e.Path, e.Attributes, e.Action, e.Status, e.Reason, changes), id, "ID"))
	}
	want := []string{
		"POST /Users [name userName]: user.create 0  [1 organization#directory_member 1 organization#enabled]",
		"POST /Users [userName]:  409 uniqueness []",
		"PATCH /Users/ID [name.givenName]:  200  []",
		"PATCH /Users/ID [active emails.value]: user.change 0  [2 organization#enabled]",
		"GET /Users?filter&count []:  200  []",
		"GET /Users/… []:  404  []",
		"GET /Users []:  401 unauthenticated []",
		"DELETE /Users/ID []: user.delete 0  [2 organization#directory_member]",
		"DELETE /Users/ID []:  404  []",
		"POST /Bulk []:  200  []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	all := w.log(identity.LogQuery{})[begin:]
	if first := all[0]; first.RequestID != "first" || fmt.Sprint(first.Revision) != created.header.Get("Ostiary-Revision") || first.Resource != id {
		t.Errorf("got %+v", first)
	}
	if rest := w.log(identity.LogQuery{After: all[2].ID, Limit: 3}); len(rest) != 3 || rest[0].ID != all[3].ID || rest[2].ID != all[5].ID {
		t.Errorf("after the third: %+v", rest)
	}
	if newest := w.log(identity.LogQuery{Limit: 2}); len(newest) != 2 || newest[1].ID != all[len(all)-1].ID {
		t.Errorf("the newest two: %+v", newest)
	}
	var before ulid.ULID // the least of those of the time of the first
	if err := before.SetTime(uint64(all[0].TimeNanos / 1_000_000)); err != nil {
		t.Fatal(err)
	}
	if since := w.log(identity.LogQuery{After: before.String()}); len(since) < len(all) || len(since) > len(all)+begin {
		t.Errorf("%d since the first, of %d", len(since), len(all))
	}
}

// Of requests that changed nothing so many are remembered, and those that were refused are not pushed out.
func TestLogIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	w.send("GET", "/Users/none", "").want(404)
	for range 150 {
		w.send("GET", "/Users", "").want(200)
	}
	refused, passed := 0, 0
	for _, e := range w.log(identity.LogQuery{}) {
		switch e.Status {
		case 404:
			refused++
		case 200:
			passed++
		}
	}
	if refused != 1 || passed != 100 {
		t.Errorf("%d refused and %d others are remembered, not 1 and 100", refused, passed)
	}
}

// The use of a token is noted with the request's own change, or by itself, and once a minute.
func TestTokenLastUsed(t *testing.T) {
	w := newWorld(t, nil)
	w.user("zoe") // with which the server's secret is drawn
	w = w.connect(identity.Connection{Store: store, Organization: "acme", Name: "new", Kind: identity.KindGeneric})
	used := func() int64 {
		t.Helper()
		tokens, err := w.service.Tokens(w.operator(), store, w.connection.ID)
		if err != nil {
			t.Fatal(err)
		}
		return tokens[0].UsedNanos
	}
	if used() != 0 {
		t.Error("used before its first use")
	}
	before := w.revision()
	w.send("GET", "/Users", "").want(200)
	if n := w.revision() - before; n != 1 || used() == 0 {
		t.Errorf("the first read made %d revisions; used at %d", n, used())
	}
	w.send("GET", "/Users", "").want(200)
	w.user("ann")
	if n := w.revision() - before; n != 2 {
		t.Errorf("a read and a change made %d revisions", n-1)
	}

	other := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "other", Kind: identity.KindGeneric})
	before = w.revision()
	other.user("bob")
	tokens, err := w.service.Tokens(w.operator(), store, other.connection.ID)
	if err != nil || w.revision()-before != 1 || tokens[0].UsedNanos == 0 {
		t.Errorf("one change made %d revisions: %+v, %v", w.revision()-before, tokens, err)
	}
}

// What is remembered of a request is small, however long its path is.
func TestLogOfLongPaths(t *testing.T) {
	w := newWorld(t, nil)
	w.send("GET", "/Users"+strings.Repeat("/x", 20_000), "").want(404)
	got := []string{}
	for _, e := range w.log(identity.LogQuery{}) {
		if e.Method == "GET" {
			got = append(got, e.Path)
		}
	}
	if want := []string{"/Users/…/…/…"}; !slices.Equal(got, want) {
		t.Errorf("got %.200q, want %q", got, want)
	}
}

// Whoever knows a connection's id leaves nothing of their own in its log: what they send may be long, and is kept.
func TestStrangersLeaveNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.bearer = "Bearer x"
	w.send(strings.Repeat("X", 30<<10), "/"+strings.Repeat("y", 10<<10), "").want(401)
	all := w.log(identity.LogQuery{})
	if text := fmt.Sprintf("%+v", all[len(all)-1]); len(text) > 1<<10 || strings.Contains(text, "XXX") || strings.Contains(text, "yyy") {
		t.Errorf("the log holds %d bytes: %.200s", len(text), text)
	}
}
