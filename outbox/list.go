package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// readLetters returns the deliveries or dead letters of a collection whose keys have a prefix, after one of them.
func readLetters(v identity.View, collection, prefix, after string, limit int) ([]Letter, error) {
	docs, err := v.Documents(collection, prefix+after, limit, false)
	if err != nil {
		return nil, err
	}
	var all []Letter
	for _, d := range docs {
		if !strings.HasPrefix(d.Key.Key, prefix) {
			break
		}
		l, err := decodeLetter(d)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// countIn counts the documents of a collection that are of a store.
func countIn(v identity.View, collection, store string) (n int, err error) {
	for after := store + "/"; ; {
		docs, err := v.Documents(collection, after, givenUpAtOnce, false)
		if err != nil {
			return n, err
		}
		for _, d := range docs {
			if !strings.HasPrefix(d.Key.Key, store+"/") {
				return n, nil
			}
			n++
		}
		if len(docs) < givenUpAtOnce {
			return n, nil
		}
		after = docs[len(docs)-1].Key.Key
	}
}

// Depth is how much waits in all stores.
type Depth struct {
	Events, Deliveries, Letters int
	OldestNanos                 int64 // since when the oldest event or delivery has waited; 0: none does
}

// DepthOf counts what waits in all stores.
func DepthOf(v identity.View) (d Depth, err error) {
	for _, count := range []struct {
		collection string
		n          *int
	}{{identity.Events, &d.Events}, {deliveries, &d.Deliveries}, {letters, &d.Letters}} {
		if *count.n, err = v.CountDocuments(count.collection); err != nil {
			return d, err
		}
	}
	older := func(nanos int64) {
		if d.OldestNanos == 0 || nanos < d.OldestNanos {
			d.OldestNanos = nanos
		}
	}
	for after := ""; ; {
		docs, err := v.Documents(identity.Events, after, 1, false)
		if err != nil || len(docs) == 0 {
			return d, errors.Join(err, eachQueue(v, "", func(first Letter) error {
				older(first.QueuedNanos)
				return nil
			}))
		}
		store, id, _ := strings.Cut(docs[0].Key.Key, "/")
		if at := eventNanos(id); at != 0 {
			older(at)
		}
		after = store + "/" + pastQueue
	}
}

// eventNanos returns when an event happened, by its id; 0 where that is none.
func eventNanos(id string) int64 {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return 0
	}
	return int64(parsed.Time()) * int64(time.Millisecond)
}

// Backlog is what waits for a target, and how the target does.
type Backlog struct {
	Store, Target string
	// Waiting is how many deliveries wait, of which the oldest has waited since OldestNanos.
	Waiting     int
	OldestNanos int64
	// Failures is how many attempts at the target have failed since it took something, the first one at
	// SinceNanos; NextNanos is when it is asked again, and Reason how the last one failed.
	Failures              int
	SinceNanos, NextNanos int64
	Reason                string
}

// Queues returns the targets of a store for which something waits.
func Queues(ctx context.Context, v identity.View, store string) (all []Backlog, err error) {
	err = eachQueue(v, store, func(first Letter) error {
		q := Backlog{Store: store, Target: first.Target(), OldestNanos: first.QueuedNanos}
		q.Waiting, err = countQueue(ctx, v, store, q.Target, func(l Letter) bool {
			q.OldestNanos = min(q.OldestNanos, l.QueuedNanos)
			return true
		})
		if err != nil {
			return err
		}
		d, there, err := v.Document(stateKey(store, q.Target))
		if err != nil {
			return err
		}
		if there {
			var s state
			if err := decode(d, &s, &s.Form); err != nil {
				return err
			}
			q.Failures, q.SinceNanos, q.NextNanos, q.Reason = s.Failures, s.SinceNanos, s.NextNanos, s.Reason
		}
		all = append(all, q)
		return nil
	})
	return all, err
}

// Totals is how much waits in a store.
type Totals struct {
	Events      int // that are no deliveries yet
	Deliveries  int
	Letters     int
	OldestNanos int64 // since when the oldest event or delivery has waited; 0: none does
	Queues      []Backlog
}

// TotalsOf counts what waits in a store: of more than most events it counts most.
func TotalsOf(ctx context.Context, v identity.View, store string, most int) (n Totals, err error) {
	events, err := v.Documents(identity.Events, store+"/", most, false)
	if err != nil {
		return n, err
	}
	for _, d := range events {
		id, mine := strings.CutPrefix(d.Key.Key, store+"/")
		if !mine {
			break
		}
		n.Events++
		if at := eventNanos(id); at != 0 {
			n.older(at)
		}
	}
	if n.Queues, err = Queues(ctx, v, store); err != nil {
		return n, err
	}
	for _, q := range n.Queues {
		n.Deliveries += q.Waiting
		n.older(q.OldestNanos)
	}
	n.Letters, err = countIn(v, letters, store)
	return n, err
}

func (n *Totals) older(nanos int64) {
	if n.OldestNanos == 0 || nanos < n.OldestNanos {
		n.OldestNanos = nanos
	}
}

// Filter selects deliveries or dead letters of a store.
type Filter struct {
	Target string   // "webhook/w01…"; empty: any
	IDs    []string // empty: any
}

func (f Filter) holds(l Letter) bool {
	return (f.Target == "" || l.Target() == f.Target) && (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID))
}

// Deliveries returns up to limit deliveries of a store that wait, after the one with that Place.
func Deliveries(v identity.View, store string, f Filter, after string, limit int) ([]Letter, error) {
	return filtered(v, deliveries, store, f, after, limit)
}

// Letters returns up to limit dead letters of a store, after the one with that Place.
func Letters(v identity.View, store string, f Filter, after string, limit int) ([]Letter, error) {
	return filtered(v, letters, store, f, after, limit)
}

// Place is where a delivery lies among those of its store.
func (d Delivery) Place() string { return d.Target() + "/" + d.ID }

func filtered(v identity.View, collection, store string, f Filter, after string, limit int) (all []Letter, err error) {
	prefix := store + "/"
	if f.Target != "" {
		after = max(after, f.Target+"/")
	}
	for len(all) < limit {
		page, err := readLetters(v, collection, prefix, after, givenUpAtOnce)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			if f.Target != "" && l.Target() != f.Target {
				return all, nil // those of a target lie together
			}
			if f.holds(l) {
				if all = append(all, l); len(all) == limit {
					return all, nil
				}
			}
		}
		if len(page) < givenUpAtOnce {
			return all, nil
		}
		after = page[len(page)-1].Place()
	}
	return all, nil
}

// Retry puts up to limit dead letters back into their queues, and returns how many.
func Retry(ctx context.Context, s *identity.Service, store string, f Filter, limit int) (n int, receipt ostiary.Receipt, err error) {
	return settle(ctx, s, store, "outbox.retry", f, limit, func(m *ostiary.Mutation, l Letter) {
		l.QueuedNanos = m.TimeNanos
		m.Documents = append(m.Documents, l.put())
	})
}

// Drop forgets up to limit dead letters, and returns how many.
func Drop(ctx context.Context, s *identity.Service, store string, f Filter, limit int) (n int, receipt ostiary.Receipt, err error) {
	return settle(ctx, s, store, "outbox.drop", f, limit, func(*ostiary.Mutation, Letter) {})
}

func settle(
	ctx context.Context, s *identity.Service, store, action string, f Filter, limit int, each func(m *ostiary.Mutation, l Letter),
) (n int, receipt ostiary.Receipt, err error) {
	receipt, err = s.Commit(ctx, store, action, f.Target, func(v identity.View, m *ostiary.Mutation) error {
		chosen, err := Letters(v, store, f, "", limit)
		if err != nil {
			return err
		}
		n = 0
		bytes := 0
		for _, l := range chosen {
			m.Preconditions = append(m.Preconditions, at(l.document))
			m.Documents = append(m.Documents, remove(l.letterKey()))
			each(m, l)
			n++
			if bytes += len(m.Documents[len(m.Documents)-1].Body); bytes >= bytesAtOnce {
				break
			}
		}
		return nil
	})
	return n, receipt, err
}

// Take removes deliveries that their target has fetched, of a kind that is Pulled. Those that are not there are no error.
func Take(ctx context.Context, b Backend, store, target string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	m := &ostiary.Mutation{TimeNanos: b.Now(), Principal: principal}
	for _, id := range ids {
		if strings.ContainsAny(id, "/\x00") || id == "" {
			continue
		}
		m.Documents = append(m.Documents, remove(ostiary.DocumentKey{Collection: deliveries, Key: queuePrefix(store, target) + id}))
	}
	_, err := b.Propose(ctx, m)
	return err
}
