package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// cursor is what reads rows of one table: a *pebble.Iterator, or a *newestCursor around one, at the
// newest revision, a *pastCursor at an older one.
type cursor interface {
	SeekGEWithLimit(key, limit []byte) pebble.IterValidityState
	NextWithLimit(limit []byte) pebble.IterValidityState
	SeekPrefixGE(key []byte) bool
	Key() []byte
	ValueAndErr() ([]byte, error)
	Error() error
	Close() error
}

// pastCursor reads the tuple, reverse or document table as it stood at a revision: it merges the
// table with its history. Keys and values are those of the table, and are valid until the next move.
type pastCursor struct {
	ctx  context.Context // looked at while rows are passed that were not there
	at   ostiary.Revision
	now  *pebble.Iterator // what is current
	then *pebble.Iterator // what has ended
	// nowOn and thenOn say that the iterator stands on a row of the table, below the limit.
	nowOn, thenOn bool

	table      byte
	key, value []byte
	seek       []byte // scratch
	passed     int
	err        error
}

func newPastCursor(ctx context.Context, r pebble.Reader, at ostiary.Revision) (*pastCursor, error) {
	now, err := r.NewIter(nil)
	if err != nil {
		return nil, readError(err)
	}
	then, err := r.NewIter(nil)
	if err != nil {
		return nil, errors.Join(readError(err), now.Close())
	}
	return &pastCursor{ctx: ctx, at: at, now: now, then: then}, nil
}

func (c *pastCursor) Key() []byte                  { return c.key }
func (c *pastCursor) ValueAndErr() ([]byte, error) { return c.value, c.err }
func (c *pastCursor) Close() error                 { return errors.Join(c.now.Close(), c.then.Close()) }

func (c *pastCursor) Error() error {
	if c.err != nil {
		return c.err
	}
	return readError(errors.Join(c.now.Error(), c.then.Error()))
}

// SeekPrefixGE stands on the row at exactly key, or reports false.
func (c *pastCursor) SeekPrefixGE(key []byte) bool {
	return c.SeekGEWithLimit(key, append(bytes.Clone(key), 0)) == pebble.IterValid
}

// SeekGEWithLimit stands on the first row from key up to limit.
func (c *pastCursor) SeekGEWithLimit(key, limit []byte) pebble.IterValidityState {
	c.table, c.err, c.passed = key[0], nil, 0
	c.nowOn = c.now.SeekGE(key)
	c.seek = append(append(c.seek[:0], historyOf(c.table)), key[1:]...)
	c.thenOn = c.then.SeekGE(c.seek)
	// A history row of a key below the one that is sought may sort above it: the key and a separator.
	for c.thenOn && c.ended() && bytes.Compare(c.body(), key[1:]) < 0 {
		c.thenOn = c.then.Next()
	}
	return c.settle(limit)
}

// NextWithLimit stands on the next row below limit.
func (c *pastCursor) NextWithLimit(limit []byte) pebble.IterValidityState { return c.settle(limit) }

// ended reports whether the history iterator stands on a row of the table's history.
func (c *pastCursor) ended() bool {
	key := c.then.Key()
	return len(key) > endBytes && key[0] == historyOf(c.table)
}

// body is the key of the history row without its table and its end.
func (c *pastCursor) body() []byte {
	key := c.then.Key()
	return key[1 : len(key)-endBytes]
}

// settle takes the next key of the two iterators until one was there at the revision.
func (c *pastCursor) settle(limit []byte) pebble.IterValidityState {
	for c.err == nil {
		c.nowOn = c.nowOn && c.now.Key()[0] == c.table && bytes.Compare(c.now.Key(), limit) < 0
		c.thenOn = c.thenOn && c.ended() && bytes.Compare(c.body(), limit[1:]) < 0
		if !c.nowOn && !c.thenOn {
			break
		}
		if c.err = checkContext(c.ctx, c.passed); c.err != nil {
			break
		}
		c.passed++
		if c.take() && c.err == nil {
			return pebble.IterValid
		}
	}
	return pebble.IterExhausted
}

// take consumes the lower of the two keys, and reports whether it was there at the revision.
func (c *pastCursor) take() bool {
	order := -1
	switch {
	case !c.thenOn:
	case !c.nowOn:
		order = 1
	default:
		order = bytes.Compare(c.now.Key()[1:], c.body())
	}
	if order < 0 {
		c.key = append(c.key[:0], c.now.Key()...)
		return c.takeCurrent()
	}
	c.key = append(append(c.key[:0], c.table), c.body()...)
	found, there := c.takeEnded()
	if order > 0 {
		return there
	}
	if found {
		c.nowOn = c.now.Next()
		return there
	}
	return c.takeCurrent()
}

// takeEnded takes the first value of c.key that ended after the revision, where there is one.
func (c *pastCursor) takeEnded() (found, there bool) {
	if until := binary.BigEndian.Uint64(c.then.Key()[len(c.then.Key())-8:]); until <= uint64(c.at) {
		c.seek = appendHistoryKey(c.seek[:0], c.key, c.at+1)
		c.thenOn = c.then.SeekGE(c.seek)
	}
	if found = c.thenOn && sameBody(c.then.Key(), c.key); !found {
		return false, false
	}
	there = c.show(c.then)
	if c.thenOn = c.then.Next(); c.thenOn && sameBody(c.then.Key(), c.key) {
		c.seek = appendHistoryKey(c.seek[:0], c.key, 0)
		c.seek[len(c.seek)-endBytes] = separator + 1
		c.thenOn = c.then.SeekGE(c.seek[:len(c.seek)-endBytes+1])
	}
	return true, there
}

func (c *pastCursor) takeCurrent() bool {
	there := c.show(c.now)
	c.nowOn = c.now.Next()
	return there
}

// show takes the value that it stands on, and reports whether it was there at the revision.
func (c *pastCursor) show(it *pebble.Iterator) bool {
	value, err := it.ValueAndErr()
	if err != nil {
		c.err = readError(err)
		return false
	}
	c.value = append(c.value[:0], value...)
	since, err := sinceOf(it.Key(), value)
	c.err = err
	return err == nil && since <= c.at
}

// pastGet returns the value at key as it stood at a revision, and nil where there was none.
func pastGet(ctx context.Context, r pebble.Reader, at ostiary.Revision, key []byte) (value []byte, err error) {
	c, err := newPastCursor(ctx, r, at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, readError(c.Close())) }()
	if !c.SeekPrefixGE(key) {
		return nil, c.Error()
	}
	return c.value, nil
}
