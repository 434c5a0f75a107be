package api

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary/access"
	"github.com/ostiary/ostiary/internal/reference"
)

// referenceFolder has what TestReference compares.
const referenceFolder = "../docs/api"

// indexBegin and indexEnd are around the list of pages in README.md.
const indexBegin, indexEnd = "<!-- pages, written by 'make docs' -->\n", "<!-- end of pages -->\n"

// TestReference: docs/api says what the server serves.
func TestReference(t *testing.T) {
	api := referenceOf(t)
	document, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	examples, err := reference.ExamplesPage()
	if err != nil {
		t.Fatal(err)
	}
	pages := append(api.Pages(), examples, reference.Page{File: "openapi.json", Text: document}, referenceIndex(t, api.Index()))
	for _, p := range pages {
		path := filepath.Join(referenceFolder, p.File)
		if *update {
			if err := os.WriteFile(path, p.Text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(kept, p.Text) {
			t.Errorf("%s is not what the server serves (%v): run 'make docs', look at the difference, and commit it", path, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(referenceFolder, "*.v1.*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if !slices.ContainsFunc(pages, func(p reference.Page) bool { return p.File == filepath.Base(path) }) {
			t.Errorf("%s is of a service that is not served: delete it", path)
		}
	}
}

// referenceIndex is README.md with the list of pages.
func referenceIndex(t *testing.T, list string) reference.Page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(referenceFolder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), indexBegin)
	_, after, ends := strings.Cut(rest, indexEnd)
	if !begins || !ends {
		t.Fatalf("docs/api/README.md has no place for the list of pages: it needs the lines %q and %q", indexBegin, indexEnd)
	}
	return reference.Page{File: "README.md", Text: []byte(before + indexBegin + "\n" + list + "\n" + indexEnd + after)}
}

// referenceOf describes the server.
func referenceOf(t *testing.T) *reference.API {
	t.Helper()
	rules, err := os.ReadFile(filepath.Join("proto", "http.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	server := newGuarded(t).newGRPCServer()
	defer server.Stop()
	var services []protoreflect.ServiceDescriptor
	for name := range server.GetServiceInfo() {
		if strings.HasPrefix(name, "grpc.") {
			continue
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, d.(protoreflect.ServiceDescriptor))
	}
	slices.SortFunc(services, func(a, b protoreflect.ServiceDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	api, err := reference.New(reference.Options{
		Services: services, Generated: filepath.Join("gen", "ostiary", "v1"), HTTPRules: rules,
		Right: func(method string) string { return rights[method].text(t) }, Headers: headersOf, Status: httpStatusOf(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// headersOf names the headers that a method knows and others do not.
func headersOf(method string) []string {
	var all []string
	for name, value := range map[string]*sent{
		headerAsOf: {asOf: []string{"x"}}, headerContinue: {resume: []string{"x"}}, headerOnce: {once: []string{"x"}},
	} {
		if strings.HasPrefix(method, "/openfga.v1.") && judgeHeaders(value, method) == nil {
			all = append(all, name)
		}
	}
	switch method {
	case "/ostiary.v1.OstiaryService/Explain":
		all = append(all, headerAsOf)
	case "/ostiary.v1.TupleService/DeleteTuples":
		all = append(all, headerOnce)
	}
	if strings.HasPrefix(method, "/authzen.v1.") && !strings.HasSuffix(method, "/GetConfiguration") {
		all = append(all, headerModel)
	}
	slices.Sort(all)
	return all
}

func httpStatusOf(t *testing.T) func(protoreflect.FullName) int {
	return func(name protoreflect.FullName) int {
		typ, err := protoregistry.GlobalTypes.FindMessageByName(name)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := setStatus(t.Context(), w, proto.Message(typ.New().Interface())); err != nil {
			t.Fatal(err)
		}
		return w.Code
	}
}

// text says what a right needs, for people.
func (r right) text(t *testing.T) string {
	t.Helper()
	switch {
	case r.open:
		return "nothing, not even a key"
	case r.claim:
		return "a bootstrap credential"
	case r.of == nil && r.role == access.Role(anything.role):
		return "any role"
	}
	of := map[uintptr]string{}
	for text, f := range map[string]func(View, any) (access.Target, error){
		"the cluster": ofCluster, "the store": ofStore,
		"the organization that it names; of the store where it names none":                        ofOrganization,
		"the organization; of the store where the word alone is to count":                         ofProof,
		"the organization; of the store where another organization's provider manages the person": ofNewMember,
		"the organization":                    ofThisOrganization,
		"the organization of the connection":  ofConnection,
		"the organization of this connection": ofThisConnection,
		"the organization of the connection; of the store where events say which devices comply": ofPolicy,
		"the organization of the session":                                    ofSession,
		"the target of the role":                                             ofGrant,
		"the target; of the cluster without one":                             ofTarget,
		"the organization of this session":                                   ofThisSession,
		"the organization of the sessions; of the store where it names none": ofSessions,
	} {
		of[reflect.ValueOf(f).Pointer()] = text
	}
	target, known := of[reflect.ValueOf(r.of).Pointer()]
	role := map[access.Role]string{access.Reader: "reader", access.Writer: "writer", access.Administrator: "administrator"}[r.role]
	if !known || role == "" {
		t.Fatalf("no words for a right: add what its request is about to text in api/reference_internal_test.go")
	}
	return role + " of " + target
}
