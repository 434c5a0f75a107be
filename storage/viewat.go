package storage

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// ViewAt returns the picture at one revision. It fails with ostiary.ErrRevisionNotYet for a revision
// that is not applied here, and with ostiary.ErrRevisionGone for one below the low-water mark of the
// history. Once opened, a view does not lose what it shows. The caller closes it.
func (s *Store) ViewAt(r ostiary.Revision) (*View, error) {
	v, err := s.View()
	if err != nil {
		return nil, err
	}
	if err := v.goBack(r); err != nil {
		v.Close()
		return nil, fmt.Errorf("open view at revision %d: %w", r, err)
	}
	return v, nil
}

// goBack makes a newest view one at revision r.
func (v *View) goBack(r ostiary.Revision) error {
	newest := v.Revision()
	switch {
	case r > newest:
		return fmt.Errorf("the newest revision here is %d: %w", newest, ostiary.ErrRevisionNotYet)
	case r == newest:
		return nil
	}
	low, err := readLow(v.shared.snap)
	if err != nil {
		return err
	}
	if r < low {
		return fmt.Errorf("the oldest revision that can be read is %d: %w", low, ostiary.ErrRevisionGone)
	}
	v.past, v.at = true, r
	return nil
}

// TimeNanos returns the newest stamp at or below the view's revision, in nanoseconds since 1970 UTC: the
// time at which a question to the view as it was would have been put. Before the first there is 0.
func (v *View) TimeNanos() (nanos int64, err error) {
	if !v.past {
		return v.shared.clock, nil
	}
	it, err := newStampIter(v.shared.snap)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	_, nanos, err = stampAt(it, v.at)
	return nanos, err
}

// RevisionAt returns the newest revision whose stamp is not later than a time, in nanoseconds since
// 1970 UTC. It fails with ostiary.ErrRevisionGone for a time before the low-water mark of the history,
// and before the first stamp.
func (v *View) RevisionAt(nanos int64) (ostiary.Revision, error) {
	r, err := revisionAt(v.shared, nanos, v.Revision())
	if err != nil {
		return 0, fmt.Errorf("look for the revision at a time: %w", err)
	}
	return r, nil
}

func revisionAt(p *published, nanos int64, newest ostiary.Revision) (r ostiary.Revision, err error) {
	low, err := readLow(p.snap)
	if err != nil {
		return 0, err
	}
	it, err := newStampIter(p.snap)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	var failure error
	past := sort.Search(int(newest-low)+1, func(i int) bool { // the first revision with a later stamp
		_, stamp, err := stampAt(it, low+ostiary.Revision(i))
		failure = errors.Join(failure, err)
		return stamp > nanos
	})
	if failure != nil {
		return 0, failure
	}
	if first := low + ostiary.Revision(past); first > low {
		return first - 1, nil
	}
	return 0, fmt.Errorf("it is before the oldest revision that can be read, %d: %w", low, ostiary.ErrRevisionGone)
}

// pastDocuments is listDocuments at an older revision. Against the order it reads the whole
// collection up to afterKey and keeps its end.
func pastDocuments(r pebble.Reader, at ostiary.Revision, collection, afterKey string, limit int, descending bool) (docs []ostiary.Document, err error) {
	if limit <= 0 {
		return nil, nil
	}
	lower, upper := documentRange(collection, afterKey, descending)
	c, err := newPastCursor(context.Background(), r, at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, readError(c.Close())) }()
	for state := c.SeekGEWithLimit(lower, upper); state == pebble.IterValid; state = c.NextWithLimit(upper) {
		d, err := decodeDocument(c.Key(), c.value)
		if err != nil {
			return nil, err
		}
		if len(docs) < limit {
			docs = append(docs, d)
		} else if !descending {
			break
		} else {
			docs = append(docs[1:], d)
		}
	}
	if descending {
		for i, j := 0, len(docs)-1; i < j; i, j = i+1, j-1 {
			docs[i], docs[j] = docs[j], docs[i]
		}
	}
	return docs, c.Error()
}
