package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// TestSequences runs testdata/*.txt: what an identity provider sends, what it gets, and which tuples come (+)
// and go (-). Directives:
//
//	connection kind=okta|entra|generic
//	role value=… display=…          adds to the catalogue; entitlement likewise
//	assignable                      a line each: kind, type#relation, type label, label, with | between
//	write, delete                   a tuple a line, as an application does
//	request                         the first line is method and path, the rest is the body
//
// Ids are written as u1, g1, … in the order in which they appear, in requests too ($u1). Times, versions and the
// URL of the connection are left out. `go test ./scim -run Sequences -rewrite` writes the answers down, to be
// read before they are kept.
func TestSequences(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &sequence{names: map[string]string{}, ids: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "connection":
				var kind string
				d.ScanArgs(t, "kind", &kind)
				s.world = newWorld(t, func(_ *scim.Options, c *identity.Connection) { c.Kind = kind })
				return "ok\n"
			case "role", "entitlement":
				var value, display string
				d.ScanArgs(t, "value", &value)
				d.ScanArgs(t, "display", &display)
				r := s.world.role(identity.Role{Entitlement: d.Cmd == "entitlement", Value: value, Display: display})
				return s.normal(r.ID) + "\n"
			case "assignable":
				s.world.assignable(strings.Split(d.Input, "\n")...)
				return "ok\n"
			case "write":
				s.world.apply(ostiary.TupleTouch, strings.Split(d.Input, "\n")...)
				return "ok\n"
			case "delete":
				s.world.apply(ostiary.TupleDelete, strings.Split(d.Input, "\n")...)
				return "ok\n"
			case "request":
				return s.request(t, d.Input)
			default:
				t.Fatalf("%s: no directive %q", d.Pos, d.Cmd)
				return ""
			}
		})
	})
}

// sequence is a run of one file.
type sequence struct {
	world *world
	names map[string]string // by id
	ids   map[string]string // by name
}

var (
	anID      = regexp.MustCompile(`\b[ugrec][0-9a-hjkmnp-tv-z]{26}\b`)
	aTime     = regexp.MustCompile(`"(created|lastModified)": "[^"]*",?\n\s*`)
	aVersion  = regexp.MustCompile(`,\n\s*"version": "W/\\"[0-9]+\\""`)
	reference = regexp.MustCompile(`\$[ugrec][0-9]+`)
)

func (s *sequence) request(t *testing.T, text string) string {
	line, body, _ := strings.Cut(text, "\n")
	line = reference.ReplaceAllStringFunc(line, func(name string) string { return s.ids[name[1:]] })
	body = reference.ReplaceAllStringFunc(body, func(name string) string { return s.ids[name[1:]] })
	method, path, _ := strings.Cut(line, " ")
	before := s.world.tuples()
	r := s.world.send(method, encoded(path), body)
	r.t = t
	after := s.world.tuples()
	out := fmt.Sprintln(r.status)
	if len(r.body) > 0 {
		var b bytes.Buffer
		if err := json.Indent(&b, r.body, "", "  "); err != nil {
			t.Fatalf("%s: %v", r.body, err)
		}
		out += s.normal(b.String()) + "\n"
	}
	var changes []string
	for _, tuple := range after {
		if !slices.Contains(before, tuple) {
			changes = append(changes, "+ "+s.normal(tuple)+"\n")
		}
	}
	for _, tuple := range before {
		if !slices.Contains(after, tuple) {
			changes = append(changes, "- "+s.normal(tuple)+"\n")
		}
	}
	slices.Sort(changes)
	return out + strings.Join(changes, "")
}

// encoded encodes the values of a query.
func encoded(path string) string {
	path, query, ok := strings.Cut(path, "?")
	if !ok {
		return path
	}
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		parts = append(parts, name+"="+url.QueryEscape(value))
	}
	return path + "?" + strings.Join(parts, "&")
}

// normal leaves out what differs from run to run.
func (s *sequence) normal(text string) string {
	text = strings.ReplaceAll(text, s.world.url, "")
	text = aTime.ReplaceAllString(aVersion.ReplaceAllString(text, ""), "")
	return anID.ReplaceAllStringFunc(text, func(id string) string {
		if s.names[id] == "" {
			kind := id[:1]
			n := 1
			for s.ids[fmt.Sprint(kind, n)] != "" {
				n++
			}
			s.names[id] = fmt.Sprint(kind, n)
			s.ids[s.names[id]] = id
		}
		return s.names[id]
	})
}
