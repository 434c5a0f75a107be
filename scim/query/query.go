// Package query reads what a client asks for when it lists resources: filter, order, attributes and page
// (RFC 7644, section 3.4.2, and RFC 9865), from the parameters of a URL or from a SearchRequest.
//
// # Invariants
//
//	Q1. A page is bounded, whatever the client asks for.
//	Q2. A cursor opens only for the query and the connection that it was made for, and only when it was made
//	    with the same key. It holds a revision and a place, so that all pages are of one revision.
//
// Everything here is a pure function: no input or output, no clock.
package query

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Limits bounds pages. The zero value is ready for use.
type Limits struct {
	// DefaultCount is the size of a page where the client does not say. Zero means 100.
	DefaultCount int
	// MaxCount bounds the size of a page. Zero means 1,000.
	MaxCount int
}

// WithDefaults returns the limits with zeros replaced.
func (l Limits) WithDefaults() Limits {
	if l.DefaultCount == 0 {
		l.DefaultCount = 100
	}
	if l.MaxCount == 0 {
		l.MaxCount = 1000
	}
	return l
}

// Query is what a client asks for.
type Query struct {
	Filter     *resource.Filter // nil: everything
	Order      *resource.Order  // nil: by id
	Projection resource.Projection
	Start      int // 1 is the first resource
	Count      int // of the page; 0 asks for totalResults alone
	// Cursor is the text of a cursor, empty for the first page. ByCursor says that the client pages so.
	Cursor   string
	ByCursor bool
	// Text is the part of the query that all of its pages share.
	Text string
}

// Params are the parameters of a query by their names, in the case of RFC 7644.
type Params map[string]string

// known are the names of the parameters.
var known = []string{"filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes"}

// FromURL takes the parameters of a GET, by their names in any case. A query that cannot be read, or says
// something twice, is refused: a filter that was passed over would answer with somebody else. The error is 400
// invalidSyntax.
func FromURL(rawQuery string) (Params, error) {
	values, err := url.ParseQuery(strings.ReplaceAll(rawQuery, ";", "%3B")) // no separator, but part of a value
	if err != nil {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the query of the URL cannot be read: %v", err)
	}
	p := Params{}
	for given, texts := range values {
		for _, name := range known {
			if !strings.EqualFold(given, name) {
				continue
			}
			if p.has(name) || len(texts) > 1 {
				return nil, scimerr.Bad(scimerr.InvalidSyntax, "%q is in the query twice", name)
			}
			p[name] = texts[0]
		}
	}
	return p, nil
}

// FromSearch takes the parameters of a SearchRequest (RFC 7644, section 3.4.3). The error is 400
// invalidSyntax.
func FromSearch(body *resource.Object) (Params, error) {
	schemas, _ := body.Get("schemas").([]any)
	if len(schemas) != 1 || schemas[0] != resource.SearchRequest {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "\"schemas\" does not name %s", resource.SearchRequest)
	}
	p := Params{}
	for _, name := range []string{"filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"} {
		value, there := body.Lookup(name)
		if !there || value == nil {
			continue
		}
		text, ok := textOf(value)
		if !ok {
			return nil, scimerr.Bad(scimerr.InvalidSyntax, "%q is neither a string nor a number", name)
		}
		p[name] = text
	}
	for _, name := range []string{"attributes", "excludedAttributes"} {
		value := body.Get(name)
		list, ok := value.([]any)
		if !ok && value != nil {
			return nil, scimerr.Bad(scimerr.InvalidSyntax, "%q is not a list", name)
		}
		names := make([]string, len(list))
		for i, element := range list {
			if names[i], ok = element.(string); !ok {
				return nil, scimerr.Bad(scimerr.InvalidSyntax, "%q holds something that is no string", name)
			}
		}
		p[name] = strings.Join(names, ",")
	}
	return p, nil
}

func textOf(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case interface{ String() string }: // json.Number
		return value.String(), true
	default:
		return "", false
	}
}

// Read checks the parameters against the schema of a kind. The errors are 400 with invalidFilter,
// invalidPath, invalidValue or invalidCount.
func (p Params) Read(k *resource.Kind, d resource.Dialect, l Limits) (Query, error) {
	q := Query{}
	var err error
	var filterText string
	if p.has("filter") {
		if q.Filter, filterText, err = readFilter(k, p["filter"], d); err != nil {
			return q, err
		}
	}
	if by := p["sortBy"]; by != "" {
		if q.Order, err = k.Order(by, p["sortOrder"]); err != nil {
			return q, err
		}
	}
	if q.Projection, err = k.Project(p["attributes"], p["excludedAttributes"]); err != nil {
		return q, err
	}
	q.Cursor, q.ByCursor = p["cursor"], p.has("cursor")
	if err := q.page(p, l.WithDefaults()); err != nil {
		return q, err
	}
	q.Text = strings.Join([]string{k.Name, filterText, strings.ToLower(p["sortBy"]), strings.ToLower(p["sortOrder"])}, "\x00")
	return q, nil
}

func (p Params) has(name string) bool {
	_, ok := p[name]
	return ok
}

func readFilter(k *resource.Kind, text string, d resource.Dialect) (*resource.Filter, string, error) {
	e, err := filter.Parse(text, filter.Options{Unquoted: d == resource.Compat})
	if err != nil {
		return nil, "", scimerr.Bad(scimerr.InvalidFilter, "the filter: %v", err)
	}
	f, err := k.Filter(e, d)
	return f, filter.Print(e), err
}

// page reads startIndex and count: what is below their bounds is raised to them.
func (q *Query) page(p Params, l Limits) error {
	var err error
	if q.Start, err = number(p["startIndex"], 1); err != nil {
		return scimerr.Bad(scimerr.InvalidValue, "startIndex is not a whole number")
	}
	if q.Count, err = number(p["count"], l.DefaultCount); err != nil {
		if q.ByCursor {
			return scimerr.Bad(scimerr.InvalidCount, "count is not a whole number")
		}
		return scimerr.Bad(scimerr.InvalidValue, "count is not a whole number")
	}
	q.Start = max(q.Start, 1)
	q.Count = min(max(q.Count, 0), l.MaxCount)
	return nil
}

func number(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, err
	}
	return int(min(max(n, math.MinInt32), math.MaxInt32)), nil
}
