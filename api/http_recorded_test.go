package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

var recordFrom = flag.String("record", "", "URL of an OpenFGA whose answers replace those in testdata/http")

// TestHTTPAsRecorded sends raw requests and compares the answers, byte for byte but for JSON's spaces,
// with those that OpenFGA 1.22.1 gave (see testdata/http/README.md). To record them again:
//
//	go test ./api -run TestHTTPAsRecorded -record http://127.0.0.1:8080
//
// Requests go in the order of a file, which starts from a store of its own.
func TestHTTPAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/http/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded answers: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			cases := readRecorded(t, path)
			h := &harness{base: *recordFrom}
			if *recordFrom == "" {
				h = start(t, func(o *api.Options) {
					o.CORS = api.CORS{AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"*"}}
					o.AuthZENBaseURL = "https://pdp.example.com/fga/"
				})
			}
			t.Cleanup(http.DefaultClient.CloseIdleConnections)
			names := h.prepareRecorded(t)
			for _, c := range cases {
				got := h.record(t, c, names)
				switch {
				case *recordFrom != "" && c.differs == "":
					c.answer = got
				case *recordFrom == "" && got != c.answer:
					t.Errorf("line %d: %s\n%s\ngot:\n%s\nwant:\n%s", c.line, c.head, short(c.body), got, c.answer)
				}
			}
			if *recordFrom != "" {
				writeRecorded(t, path, cases)
			}
		})
	}
}

// recorded is one request and its answer.
type recorded struct {
	line    int
	comment string // lines before the request
	differs string // why the answer is not OpenFGA's
	head    string // method, path and headers, as in the file
	body    string // as in the file
	answer  string // status, headers and body
}

func readRecorded(t *testing.T, path string) []*recorded {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []*recorded
	line := 1
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		c := &recorded{line: line}
		line += strings.Count(block, "\n") + 2
		request, answer, found := strings.Cut(block+"\n", "\n----\n")
		if !found {
			t.Fatalf("%s:%d: a request without ----", path, c.line)
		}
		c.answer = strings.TrimSuffix(answer, "\n")
		for strings.HasPrefix(request, "#") {
			comment, rest, _ := strings.Cut(request, "\n")
			c.comment, request = c.comment+comment+"\n", rest
			if why, ok := strings.CutPrefix(comment, "# differs: "); ok {
				c.differs = why
			}
		}
		c.head, c.body, _ = strings.Cut(request, "\n")
		all = append(all, c)
	}
	return all
}

func writeRecorded(t *testing.T, path string, all []*recorded) {
	t.Helper()
	var b strings.Builder
	for i, c := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(c.comment + c.head + "\n")
		if c.body != "" {
			b.WriteString(c.body + "\n")
		}
		b.WriteString("----\n" + c.answer + "\n")
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prepareRecorded makes the store, the model and the tuples that every file starts from, and returns
// what {store} and {model} stand for.
func (h *harness) prepareRecorded(t *testing.T) map[string]string {
	t.Helper()
	ask := func(method, path string, body []byte) map[string]any {
		t.Helper()
		a := h.raw(t, method, path, bytes.NewReader(body))
		if a.status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, a.status, a.message)
		}
		return a.body.(map[string]any)
	}
	names := map[string]string{}
	names["{store}"] = ask("POST", "/stores", []byte(`{"name":"a store"}`))["id"].(string)
	store := "/stores/" + names["{store}"]
	model := modelFields(t, names["{store}"], recordedModel)
	names["{model}"] = ask("POST", store+"/authorization-models", marshal(t, model))["authorization_model_id"].(string)
	for _, text := range []string{
		"doc:1#viewer@user:ann", "doc:1#viewer@group:eng#member", "group:eng#member@user:bob",
		"doc:2#viewer@user:*", "doc:3#parent@folder:x", "folder:x#viewer@user:ann",
	} {
		ask("POST", store+"/write", marshal(t, fields{"writes": keys(text)}))
	}
	return names
}

const recordedModel = `model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define viewer: [user, group#member]
type doc
  relations
    define parent: [folder]
    define banned: [user]
    define editor: [user]
    define viewer: [user, user:*, group#member] or editor or viewer from parent
    define can_view: viewer but not banned
`

var (
	repetition = regexp.MustCompile(`@repeat\((\d+),(.*?)\)@`)
	oneTime    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
	pageToken  = regexp.MustCompile(`"continuation_token":"[^"]+"`)
	anotherID  = regexp.MustCompile(`\b0[0-9A-HJKMNP-TV-Z]{25}\b`)
)

// expand puts in what {store} and {model} stand for, and what @repeat(count,text)@ repeats; # in the text
// is the number of the repetition.
func expand(text string, names map[string]string) string {
	for name, value := range names {
		text = strings.ReplaceAll(text, name, value)
	}
	return repetition.ReplaceAllStringFunc(text, func(m string) string {
		parts := repetition.FindStringSubmatch(m)
		count, _ := strconv.Atoi(parts[1]) // the pattern holds digits alone
		var b strings.Builder
		for i := range count {
			b.WriteString(strings.ReplaceAll(parts[2], "#", strconv.Itoa(i)))
		}
		return b.String()
	})
}

// recordedHeaders are the headers of an answer that are compared.
var recordedHeaders = []string{
	"Content-Type", "Openfga-Store-Id", "Openfga-Authorization-Model-Id", "X-Request-Id", "Vary",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
	"Access-Control-Allow-Credentials",
}

// record sends a request and returns its answer in the form of the file.
func (h *harness) record(t *testing.T, c *recorded, names map[string]string) string {
	t.Helper()
	words := strings.Split(c.head, " | ")
	method, path, _ := strings.Cut(words[0], " ")
	var content io.Reader = http.NoBody
	if c.body != "" {
		content = strings.NewReader(expand(c.body, names))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, h.base+expand(path, names), content)
	if err != nil {
		t.Fatalf("line %d: %v", c.line, err)
	}
	for _, header := range words[1:] {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, expand(value, names))
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirection
	if err != nil {
		t.Fatalf("line %d: %v", c.line, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("line %d: %v", c.line, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", resp.StatusCode)
	for _, name := range recordedHeaders {
		switch values := resp.Header.Values(name); {
		case len(values) == 0 || values[0] == "":
		case name == "X-Request-Id" && req.Header.Get(name) == "":
			if *recordFrom == "" && len(values) != 1 {
				t.Errorf("line %d: got request ids %q, want one", c.line, values)
			}
		default:
			fmt.Fprintf(&b, " | %s: %s", name, strings.Join(values, ", "))
		}
	}
	for line := range strings.Lines(string(text)) {
		b.WriteString("\n" + compact(line))
	}
	answer := b.String()
	for name, value := range names {
		answer = strings.ReplaceAll(answer, value, name)
	}
	answer = pageToken.ReplaceAllString(answer, `"continuation_token":"{token}"`)
	return anotherID.ReplaceAllString(oneTime.ReplaceAllString(answer, `"{time}"`), "{id}")
}

// compact is a line of JSON without its spaces and with sorted names, or the line itself where it is
// not JSON.
func compact(line string) string {
	var v any
	if json.Unmarshal([]byte(line), &v) != nil {
		return strings.TrimRight(line, "\r\n")
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return line
	}
	return strings.TrimSpace(b.String())
}
