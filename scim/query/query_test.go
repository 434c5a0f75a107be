package query

import (
	"errors"
	"net/url"
	"os"
	"reflect"
	"testing"

	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

func TestPages(t *testing.T) {
	l := Limits{DefaultCount: 10, MaxCount: 50}
	for _, tt := range []struct {
		url          string
		start, count int
	}{
		{"", 1, 10},
		{"startIndex=3&count=7", 3, 7},
		{"startIndex=0&count=-1", 1, 0},
		{"startIndex=-9&count=0", 1, 0},
		{"count=1000", 1, 50},
		{"startIndex=99999999999999&count=99999999999999", 1<<31 - 1, 50},
		{"cursor=", 1, 10},
		{"STARTINDEX=3", 3, 10},
		{`filter=userName+eq+"a;b"&startIndex=2`, 2, 10},
	} {
		q, err := read(tt.url, l)
		if err != nil || q.Start != tt.start || q.Count != tt.count || q.ByCursor != (tt.url == "cursor=") {
			t.Errorf("%s: got %+v, error %v", tt.url, q, err)
		}
	}
}

func read(query string, l Limits) (Query, error) {
	p, err := FromURL(query)
	if err != nil {
		return Query{}, err
	}
	return p.Read(resource.User, resource.Compat, l)
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]scimerr.Type{
		"startIndex=one":                       scimerr.InvalidValue,
		"filter=":                              scimerr.InvalidFilter,
		"FILTER=userName+is+ann":               scimerr.InvalidFilter,
		"filter=%zz":                           scimerr.InvalidSyntax,
		"filter=id+pr&filter=userName+pr":      scimerr.InvalidSyntax,
		"filter=id+pr&Filter=userName+pr":      scimerr.InvalidSyntax,
		"count=1.5":                            scimerr.InvalidValue,
		"cursor=&count=x":                      scimerr.InvalidCount,
		"filter=userName+is+ann":               scimerr.InvalidFilter,
		"filter=active+gt+true":                scimerr.InvalidFilter,
		"sortBy=shoeSize":                      scimerr.InvalidPath,
		"sortBy=userName&sortOrder=up":         scimerr.InvalidValue,
		"attributes=a&excludedAttributes=b":    scimerr.InvalidValue,
		"startIndex=99999999999999999999":      scimerr.InvalidValue,
		"attributes=user+name":                 scimerr.InvalidValue,
		"filter=emails[type+eq+\"work\"+and+]": scimerr.InvalidFilter,
	} {
		if q, err := read(text, Limits{}); !errors.Is(err, scimerr.Bad(want, "")) {
			t.Errorf("%s: got %+v, error %v", text, q, err)
		}
	}
}

func TestSearchRequest(t *testing.T) {
	data, err := os.ReadFile("../../../shared/conformance/scim/rfc-samples/rfc7644-3.4.3-search_request.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the RFC's samples are not beside the repository: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	o, err := resource.ParseObject(data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := FromSearch(o)
	want := Params{"attributes": "displayName,userName", "excludedAttributes": "", "filter": `displayName sw "smith"`, "startIndex": "1", "count": "10"}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %v, error %v", p, err)
	}
	for _, body := range []string{`{}`, `{"schemas":["urn:x"]}`, `{"schemas":["` + resource.SearchRequest + `"],"count":[1]}`,
		`{"schemas":["` + resource.SearchRequest + `"],"attributes":"userName"}`, `{"schemas":["` + resource.SearchRequest + `"],"attributes":[1]}`} {
		o, err := resource.ParseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := FromSearch(o); !errors.Is(err, scimerr.Bad(scimerr.InvalidSyntax, "")) {
			t.Errorf("%s: got %v, error %v", body, p, err)
		}
	}
}

func TestCursorOpensForItsQueryAlone(t *testing.T) {
	key := []byte("key")
	for _, c := range []Cursor{{}, {Revision: 7, Offset: 100, After: "u1", MadeNanos: 5}, {Revision: 1<<64 - 1, Offset: 1<<64 - 1, After: "x\x00y", MadeNanos: -1}} {
		text := c.Seal(key, "c1", "q")
		if got, err := Open(text, key, "c1", "q"); err != nil || got != c {
			t.Errorf("got %+v, error %v, want %+v", got, err, c)
		}
		for name, open := range map[string]func() (Cursor, error){
			"another key":        func() (Cursor, error) { return Open(text, []byte("other"), "c1", "q") },
			"another connection": func() (Cursor, error) { return Open(text, key, "c2", "q") },
			"another query":      func() (Cursor, error) { return Open(text, key, "c1", "p") },
			"parts moved":        func() (Cursor, error) { return Open(text, key, "c", "1q") },
			"cut":                func() (Cursor, error) { return Open(text[:len(text)-4], key, "c1", "q") },
			"nothing":            func() (Cursor, error) { return Open("", key, "c1", "q") },
			"no base64":          func() (Cursor, error) { return Open("?", key, "c1", "q") },
		} {
			if got, err := open(); !errors.Is(err, scimerr.Bad(scimerr.InvalidCursor, "")) {
				t.Errorf("%s: got %+v, error %v", name, got, err)
			}
		}
	}
	if url.QueryEscape(Cursor{Revision: 1<<64 - 1, After: "~"}.Seal(key, "", "")) != (Cursor{Revision: 1<<64 - 1, After: "~"}).Seal(key, "", "") {
		t.Error("a cursor is not fit for a URL")
	}
}
