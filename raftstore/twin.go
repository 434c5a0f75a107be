package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary"
)

// A data folder that was copied makes two nodes of one id. Both would vote, so one term could have two
// leaders. A node whose address is not the one that it had therefore asks at the old one before it takes
// part, and the leader does before it gives a member another address.

// addressKey is where a node notes its address, in the log's key-value table.
const addressKey = "address"

// twinTimeout bounds the question after another node of the same id.
const twinTimeout = 2 * time.Second

var errTwin = errors.New("a node with this id answers there; two nodes cannot use copies of one data folder: " +
	"stop it, or start this one with an empty folder")

// judgeTwin refuses to start while this node still runs at the address that it had before.
func (s *Store) judgeTwin(ctx context.Context) error {
	if s.net == nil {
		return nil
	}
	before, found, err := s.log.Value(addressKey)
	if err != nil || found && string(before) == s.net.port.advertise {
		return err
	}
	if found {
		if s.answersAt(ctx, string(before), string(s.id)) {
			return fmt.Errorf("node %s had the address %q: %w", s.id, before, errTwin)
		}
	}
	return s.log.Set(addressKey, []byte(s.net.port.advertise))
}

// answersAt reports whether a node with an id answers at an address. One that cannot be reached does not.
func (s *Store) answersAt(ctx context.Context, address, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, twinTimeout)
	defer cancel()
	conn, err := s.net.peers.reach(ctx, address)
	if err != nil {
		return false
	}
	got, err := call[standing](ctx, conn, "standing", watchQuestion{})
	return err == nil && got.ID == id
}

// judgeMove refuses to give a member another address while it answers at the one that it has.
func (s *Store) judgeMove(ctx context.Context, c Change, members []Member) error {
	for _, m := range members {
		if c.Kind != ChangeAdd || m.ID != c.ID || m.Address == c.Address {
			continue
		}
		here := m.ID == string(s.id) && m.Address == s.net.port.advertise
		if here || m.ID != string(s.id) && s.answersAt(ctx, m.Address, m.ID) {
			return fmt.Errorf("it has the address %q: %w: %w", m.Address, errTwin, ostiary.ErrExists)
		}
	}
	return nil
}
