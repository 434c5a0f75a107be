package scim

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/query"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// The bounds of a list.
const (
	maxScanned     = 500_000  // resources that a filter without an index reads
	maxSortedBytes = 64 << 20 // of the resources that are sorted, as they are kept
	maxAnswerBytes = 32 << 20 // a page ends early rather than grow beyond
	maxLists       = 4        // lists that read many resources at once; others wait
)

// source is how the resources of a kind are read.
type source struct {
	kind *resource.Kind
	read identity.Scope
	// get returns one resource; one that is not there is ostiary.ErrNotFound.
	get func(v *identity.DirectoryView, id string) (*resource.Resource, error)
	// scan yields all resources after one, by id.
	scan func(v *identity.DirectoryView, after string) iter.Seq2[*resource.Resource, error]
	// skip passes over the first n resources by id and returns the id of the last one passed; there may be
	// fewer. Nil: they are few.
	skip func(v *identity.DirectoryView, n int) (last string, passed int, err error)
	// find returns the resources that have a value; there is an index only for some.
	find  func(v *identity.DirectoryView, k resource.Key) (found []*resource.Resource, indexed bool, err error)
	count func(v *identity.DirectoryView) (int, error)
	apart func(v *identity.DirectoryView, r *resource.Resource) resource.Apart
	// show appends a resource as an answer shows it. Shown counts members.
	show func(dst []byte, v *identity.DirectoryView, r *resource.Resource, p resource.Projection, shown *int) ([]byte, error)
}

// get answers with one resource.
func (c *call) get(s source, id string) (answer, error) {
	projection, err := s.kind.Project(c.params["attributes"], c.params["excludedAttributes"])
	if err != nil {
		return answer{}, err
	}
	v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return answer{}, err
	}
	defer v.Close()
	r, err := s.get(v, id)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: http.StatusOK, location: c.location(s.kind, id), revision: v.Revision(), tag: r.Text("meta.version")}
	if a.tag != "" && c.ifNone != "" && tagged(c.ifNone, a.tag) {
		a.status = http.StatusNotModified
		return a, nil
	}
	shown := 0
	a.body, err = s.show(nil, v, r, projection, &shown)
	return a, err
}

// search answers a SearchRequest as the GET that it stands for.
func (c *call) search(s source) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	params, err := query.FromSearch(body)
	if err != nil {
		return answer{}, err
	}
	return c.list(s, params)
}

// list answers with one page.
func (c *call) list(s source, params query.Params) (answer, error) {
	q, err := params.Read(s.kind, c.dialect, c.h.o.Pages)
	if err != nil {
		return answer{}, err
	}
	cursor, fresh, err := c.openCursor(q)
	if err != nil {
		return answer{}, err
	}
	v, err := c.dir.View(c.ctx, fresh)
	if err != nil {
		return answer{}, err
	}
	defer v.Close()
	cursor.Revision = uint64(v.Revision())
	p := &page{call: c, source: s, view: v, query: q, cursor: cursor, total: -1}
	if err := p.fill(); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: p.document(), revision: v.Revision()}, nil
}

// openCursor returns where the page begins and the view that it is read from.
func (c *call) openCursor(q query.Query) (query.Cursor, ostiary.Freshness, error) {
	start := query.Cursor{MadeNanos: c.h.o.Now(), Offset: uint64(q.Start - 1)}
	if !q.ByCursor || q.Cursor == "" {
		if q.ByCursor {
			start.Offset = 0
		}
		return start, ostiary.Freshness{Linearizable: true}, nil
	}
	cursor, err := query.Open(q.Cursor, c.h.cursorKey(), c.dir.Connection().ID, q.Text)
	if err != nil {
		return cursor, ostiary.Freshness{}, err
	}
	if time.Duration(c.h.o.Now()-cursor.MadeNanos) > c.h.o.CursorLifetime {
		return cursor, ostiary.Freshness{}, scimerr.Bad(scimerr.ExpiredCursor, "the cursor is older than %s: start again without one", c.h.o.CursorLifetime)
	}
	return cursor, ostiary.Freshness{At: ostiary.Revision(cursor.Revision)}, nil
}

// cursorKey is what cursors are sealed with. Who knows the name of the cluster can make one, and reads with it
// what the token of the connection lets them read anyway.
func (h *Handler) cursorKey() []byte {
	id := h.o.Cluster()
	return id[:]
}

// page is one page in the making.
type page struct {
	call   *call
	source source
	view   *identity.DirectoryView
	query  query.Query
	cursor query.Cursor // where it begins

	body  []byte
	items int
	shown int // members
	total int // of the whole list; -1 where a page by cursor does not say
	next  query.Cursor
	more  bool // by cursor: there is another page
}

func (p *page) fill() error {
	found, indexed, err := p.indexed()
	switch {
	case err != nil:
		return err
	case p.query.Order != nil:
		return p.sorted(found, indexed)
	case indexed:
		slices.SortFunc(found, byID)
		return p.from(found)
	default:
		return p.scanned()
	}
}

func byID(a, b *resource.Resource) int {
	switch x, y := a.Text("id"), b.Text("id"); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// indexed returns the matches of a filter that an index serves.
func (p *page) indexed() ([]*resource.Resource, bool, error) {
	if p.query.Filter == nil {
		return nil, false, nil
	}
	for _, key := range p.query.Filter.Keys() {
		found, indexed, err := p.source.find(p.view, key)
		if err != nil {
			return nil, false, err
		}
		if !indexed {
			continue
		}
		matches := make([]*resource.Resource, 0, len(found))
		for _, r := range found {
			ok, err := p.matches(r)
			if err != nil {
				return nil, false, err
			}
			if ok {
				matches = append(matches, r)
			}
		}
		return matches, true, nil
	}
	return nil, false, nil
}

func (p *page) matches(r *resource.Resource) (bool, error) {
	if p.query.Filter == nil {
		return true, nil
	}
	return p.query.Filter.Match(r, p.source.apart(p.view, r))
}

// sorted fills the page from all matches in their order.
func (p *page) sorted(found []*resource.Resource, indexed bool) error {
	if !indexed {
		size := 0
		err := p.scan("", func(r *resource.Resource) (bool, error) {
			size += r.StoredBytes()
			if found = append(found, r); len(found) > p.call.h.o.MaxSorted || size > maxSortedBytes {
				return false, scimerr.Bad(scimerr.TooMany,
					"more than %d resources or %d bytes of them would be sorted: filter them, or leave sortBy out", p.call.h.o.MaxSorted, maxSortedBytes)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(found, p.query.Order.Compare)
	return p.from(found)
}

// from fills the page from a list that holds all matches.
func (p *page) from(all []*resource.Resource) error {
	p.total = len(all)
	at := int(min(p.cursor.Offset, uint64(len(all))))
	for ; at < len(all); at++ {
		if p.full() {
			p.more = true
			break
		}
		if err := p.add(all[at]); err != nil {
			return err
		}
	}
	p.next = query.Cursor{Offset: uint64(at)}
	return nil
}

// scanned fills the page while it passes through all resources by id. Pages by cursor begin after the last
// one; others count from the first.
func (p *page) scanned() error {
	skip := int(p.cursor.Offset)
	byCursor := p.query.ByCursor
	if byCursor {
		skip = 0
	}
	after := p.cursor.After
	if skip > 0 && p.query.Filter == nil && p.source.skip != nil {
		var passed int
		var err error
		if after, passed, err = p.source.skip(p.view, skip); err != nil {
			return err
		}
		if passed < skip {
			p.total = passed
			return nil
		}
		skip = 0
	}
	counted := 0
	var last string
	err := p.scan(after, func(r *resource.Resource) (bool, error) {
		counted++
		switch {
		case counted <= skip:
			return true, nil
		case p.full():
			p.more = true
			return !byCursor && p.query.Filter != nil, nil // to count the rest
		}
		last = r.Text("id")
		return true, p.add(r)
	})
	if err != nil {
		return err
	}
	p.next = query.Cursor{After: last}
	switch {
	case p.query.Filter == nil:
		p.total, err = p.source.count(p.view)
	case !byCursor:
		p.total = counted
	}
	return err
}

// beginList waits until there are fewer than maxLists that read many resources.
func (c *call) beginList() (end func(), err error) {
	select {
	case c.h.lists <- struct{}{}:
		return func() { <-c.h.lists }, nil
	case <-c.ctx.Done():
		return nil, fmt.Errorf("wait for other lists: %w", c.ctx.Err())
	}
}

// scan calls take with each match after one, until it returns false.
func (p *page) scan(after string, take func(*resource.Resource) (bool, error)) error {
	end, err := p.call.beginList()
	if err != nil {
		return err
	}
	defer end()
	read := 0
	for r, err := range p.source.scan(p.view, after) {
		if err != nil {
			return err
		}
		if read++; read > maxScanned && p.query.Filter != nil {
			return scimerr.Bad(scimerr.TooMany, "the filter would read more than %d resources: filter by userName, externalId, displayName or id", maxScanned)
		}
		if read%256 == 0 && p.call.ctx.Err() != nil {
			return fmt.Errorf("list resources: %w", p.call.ctx.Err())
		}
		ok, err := p.matches(r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if ok, err = take(r); err != nil || !ok {
			return err
		}
	}
	return nil
}

func (p *page) full() bool { return p.items >= p.query.Count || len(p.body) > maxAnswerBytes }

func (p *page) add(r *resource.Resource) error {
	if p.items > 0 {
		p.body = append(p.body, ',')
	}
	p.items++
	var err error
	p.body, err = p.source.show(p.body, p.view, r, p.query.Projection, &p.shown)
	return err
}

// document writes the ListResponse.
func (p *page) document() []byte {
	list := struct {
		Schemas [1]string `json:"schemas"`
		Total   *int      `json:"totalResults,omitempty"`
		Items   int       `json:"itemsPerPage"`
		Start   *int      `json:"startIndex,omitempty"`
		Next    string    `json:"nextCursor,omitempty"`
	}{Schemas: [1]string{resource.ListResponse}, Items: p.items}
	if p.total >= 0 {
		list.Total = &p.total
	}
	if !p.query.ByCursor {
		list.Start = &p.query.Start
	} else if p.more && p.items > 0 {
		p.next.Revision, p.next.MadeNanos = p.cursor.Revision, p.cursor.MadeNanos
		list.Next = p.next.Seal(p.call.h.cursorKey(), p.call.dir.Connection().ID, p.query.Text)
	}
	head, _ := json.Marshal(list) // strings and numbers: it cannot fail
	dst := append(head[:len(head)-1], `,"Resources":[`...)
	return append(append(dst, p.body...), "]}"...)
}
