package identity

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
)

// gateDocuments are the gates of a store, and count what is read.
type gateDocuments struct {
	byUser map[string]gateBody
	reads  int
}

func (d *gateDocuments) Document(key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	d.reads++
	body, there := d.byUser[key.Key]
	return ostiary.Document{Key: key, Body: encode(body)}, there, nil
}

func (d *gateDocuments) Documents(collection, after string, limit int, _ bool) ([]ostiary.Document, error) {
	d.reads++
	var users []string
	for user := range d.byUser {
		if user > after {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	var docs []ostiary.Document
	for _, user := range users[:min(limit, len(users))] {
		docs = append(docs, ostiary.Document{Key: ostiary.DocumentKey{Collection: collection, Key: user}, Body: encode(d.byUser[user])})
	}
	return docs, nil
}

// A reader says of each person what the person's own document says, in whatever order they are asked about.
func TestGateReader(t *testing.T) {
	id := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\x01é\uffff")), 1, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		d := &gateDocuments{byUser: map[string]gateBody{}}
		for _, user := range rapid.SliceOf(id).Draw(t, "gates") {
			d.byUser[user] = gateBody{form: form{bodyForm}, DeletedNanos: int64(len(user) % 2),
				Organizations: map[string]gateState{"acme": {BlockedNanos: int64(len(user) / 2)}}}
		}
		gate := StoreGate{off: rapid.Bool().Draw(t, "off")}
		asked := rapid.SliceOf(id).Draw(t, "asked")
		if rapid.Bool().Draw(t, "sorted") {
			slices.Sort(asked)
		}
		reader := gate.Reader(d, "S")
		for _, user := range asked {
			got, err := reader.Of(user)
			want, wantErr := gate.Of(d, "S", user)
			if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: got %+v, %v, want %+v, %v", user, got, err, want, wantErr)
			}
		}
	})
}

// What a reader reads grows with the gates, and not with the people; and hardly beyond these where they have one
// each.
func TestGateReaderReads(t *testing.T) {
	for _, c := range []struct{ gates, people, most int }{
		{0, 10_000, 1}, {3, 10_000, 2}, {100, 10_000, 30}, {10_000, 10_000, 100}, {10_000, 100, 120},
	} {
		d := &gateDocuments{byUser: map[string]gateBody{}}
		user := func(i, of int) string { return fmt.Sprintf("u%05d", i*10_000/of) }
		for i := range c.gates {
			d.byUser[user(i, c.gates)] = gateBody{form: form{bodyForm}, DeletedNanos: 1}
		}
		reader := StoreGate{}.Reader(d, "S")
		for i := range c.people {
			if _, err := reader.Of(user(i, c.people)); err != nil {
				t.Fatal(err)
			}
		}
		if d.reads > c.most {
			t.Errorf("%d gates, %d people: %d reads, want at most %d", c.gates, c.people, d.reads, c.most)
		}
	}
}
