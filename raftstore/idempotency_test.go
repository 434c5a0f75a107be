package raftstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
)

func once(m *ostiary.Mutation, key string) *ostiary.Mutation {
	m.Once(key, []byte(fmt.Sprint(m.Tuples)))
	return m
}

// TestRepetitionAnswersTheFirstOutcome: on every node, after a restart and after the leader was lost, and
// changes nothing though the tuple has gone since.
func TestRepetitionAnswersTheFirstOutcome(t *testing.T) {
	c := three(t)
	propose := func(i int, m *ostiary.Mutation) (receipt ostiary.Receipt, err error) {
		err = settled(t, func() (err error) {
			receipt, err = c.nodes[i].Propose(patient(t), m)
			return err
		})
		return receipt, err
	}
	first, err := propose(0, once(create(1), "k"))
	if err != nil {
		t.Fatal(err)
	}
	first.Repeated = true
	c.revoke(1, 1)
	repeat := func(when string, i int) {
		t.Helper()
		got, err := propose(i, once(create(1), "k"))
		if err != nil || got != first {
			t.Errorf("%s, node %d: got %+v, %v, want %+v", when, i, got, err, first)
		}
		if c.holds(i, 1, linearizable) {
			t.Errorf("%s, node %d: the repetition took effect", when, i)
		}
	}
	for i := range c.nodes {
		repeat("at once", i)
	}
	if _, err := propose(0, once(create(2), "k")); !errors.Is(err, ostiary.ErrConflict) {
		t.Errorf("another request with the key: got %v, want ErrConflict", err)
	}
	lost := c.leader()
	c.stop(lost)
	repeat("after the leader was lost", (lost+1)%3)
	c.start(lost)
	c.formed()
	repeat("after a restart", lost)
}

// TestRetriesAcrossLeaderLoss: clients repeat, with their keys, whatever failed, while leaders come and
// go. Each write succeeds in the end and takes effect exactly once.
func TestRetriesAcrossLeaderLoss(t *testing.T) {
	c := three(t)
	const each = 60
	var clients sync.WaitGroup
	stores := make([]*Store, len(c.nodes))
	for i, n := range c.nodes {
		stores[i] = n.Store
	}
	lost := c.leader()
	halfway := make(chan struct{}, len(stores))
	for i := range stores {
		if i == lost {
			continue
		}
		clients.Go(func() {
			for k := range each {
				if k == each/3 {
					halfway <- struct{}{}
				}
				m := once(create(i*1000+k), fmt.Sprintf("%d-%d", i, k))
				until(t, "write does not succeed", func() error {
					_, err := stores[i].Propose(patient(t), m)
					if err != nil && !wandering(err) {
						t.Errorf("write %d of client %d: %v", k, i, err)
						return nil
					}
					return err
				})
			}
		})
	}
	<-halfway
	c.stop(lost)
	clients.Wait()
	c.start(lost)
	c.formed()
	view := c.view(lost, linearizable)
	defer view.Close()
	count := map[ostiary.Tuple]int{}
	for change, err := range view.Changes(t.Context(), testStore, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		count[change.Tuple]++
	}
	for i := range c.nodes {
		for k := range each {
			if n := count[tupleOf(i*1000+k)]; i != lost && n != 1 {
				t.Errorf("write %d of client %d took effect %d times", k, i, n)
			}
		}
	}
}
