package ostiary_test

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ostiary/ostiary"

// allowed lists, per tree, the other trees of this module that it may import. Trees that are not
// listed (cmd, conformance) may import anything. Test files are not checked. DESIGN section 3.
var allowed = map[string][]string{
	"":                       {}, // the root vocabulary package
	"client":                 {}, // of applications: it knows nothing of the server
	"egress":                 {},
	"docs/api":               {}, // a document and what serves it
	"internal/loopback":      {},
	"internal/reload":        {},
	"internal/route":         {},
	"internal/reference":     {}, // tests of api alone
	"internal/strictjson":    {},
	"internal/teststore":     {"", "identity", "raftstore"}, // for tests alone
	"rate":                   {},
	"tracing":                {"rate"},
	"keyset":                 {}, // over egress, which it is handed
	"jws":                    {},
	"dsl/model":              {},
	"dsl/condition":          {"dsl/model"},
	"dsl/gen":                {},
	"dsl/gate":               {"dsl/model"},
	"dsl":                    {"dsl/model", "dsl/condition", "dsl/gen", "dsl/gate"},
	"engine/edges":           {""},
	"engine":                 {"", "engine/edges", "dsl/model", "dsl/condition"},
	"engine/oracle":          {"", "dsl/model"}, // never engine
	"identity":               {"", "dsl/gate", "jws"},
	"access":                 {"", "dsl", "engine", "identity"},
	"modeltest":              {"", "dsl", "dsl/model", "dsl/condition", "engine"},
	"storage/internal/guard": {},
	"storage/wal":            {"", "storage/internal/guard"},
	"audit":                  {""},
	"storage":                {"", "audit", "storage/internal/guard", "engine/edges"},
	"raftstore":              {"", "internal/reload", "storage", "storage/wal", "tracing"},
	"api/gen":                {},
	"api/metrics":            {},
	"deleted":                {""},
	"decisionlog":            {},
	"api":                    {"", "access", "audit", "api/gen", "decisionlog", "deleted", "dsl", "dsl/model", "dsl/condition", "dsl/gate", "engine", "identity", "egress", "jws", "keyset", "outbox", "rate", "ssf/transmitter", "tracing"},
	"outbox":                 {"", "identity", "egress", "issuer", "jws"},
	"oauth":                  {"", "identity", "keyset", "rate"},
	"gtr":                    {"", "identity", "internal/route", "internal/strictjson", "keyset"},
	"idtoken":                {"identity", "keyset"},
	"issuer":                 {"", "identity", "jws"},
	"backchannel":            {"", "identity", "internal/route", "keyset", "rate"},
	"ssf":                    {"internal/strictjson"},
	"ssf/transmitter":        {"", "egress", "identity", "issuer", "jws", "outbox", "rate", "ssf"},
	"ssf/receiver":           {"", "egress", "identity", "internal/route", "keyset", "rate", "ssf"},
	"fakeidp":                {"keyset"}, // a tool for trials: it knows nothing of the server
	"scim/filter":            {},
	"scim/scimerr":           {},
	"scim/resource":          {"scim/filter", "scim/scimerr"},
	"scim/patch":             {"scim/filter", "scim/resource", "scim/scimerr"},
	"scim/query":             {"scim/filter", "scim/resource", "scim/scimerr"},
	"scim":                   {"", "identity", "rate", "scim/patch", "scim/query", "scim/resource", "scim/scimerr"},
	"bench/workload":         {"", "dsl", "dsl/model"},
	"bench":                  {"", "dsl", "bench/workload", "internal/loopback"},
	"bench/cmd/soak":         {"bench", "bench/workload", "fakeidp", "internal/loopback"},
}

// sole lists the modules that may be imported from one tree alone, test files excepted.
var sole = map[string][]string{
	"github.com/cockroachdb/pebble": {"storage", "storage/wal", "storage/internal/guard"},
	"github.com/hashicorp/raft":     {"raftstore"},
	"github.com/antlr4-go/antlr":    {"dsl", "dsl/gen"},
	"cel.dev":                       {"dsl/condition"},
	"github.com/prometheus":         {"api/metrics", "cmd/ostiary"},
	"github.com/go-jose":            {"keyset", "jws", "fakeidp"},
	"github.com/coreos/go-oidc":     {"idtoken"},
	"go.opentelemetry.io/otel":      {"tracing"},
}

// plain lists the trees that import nothing but the standard library (and what allowed says).
var plain = []string{"", "audit", "deleted", "docs/api", "egress", "rate", "internal/loopback", "internal/reload", "internal/route", "internal/strictjson", "dsl/model", "scim/filter", "scim/scimerr", "scim/patch", "scim/query", "bench/workload"}

// forbidden lists modules that a tree must never reach, test files excepted.
var forbidden = map[string][]string{
	"engine":  {"google.golang.org/protobuf", "google.golang.org/grpc"},
	"dsl":     {"google.golang.org/protobuf", "google.golang.org/grpc"},
	"storage": {"google.golang.org/protobuf", "google.golang.org/grpc"},
}

func TestArrows(t *testing.T) {
	walkPackages(t, func(dir string, imports []string) { checkImports(t, treeOf(dir), imports) })
}

// walkPackages calls visit for every package of the module, with its folder, which is "" for the root, and its imports.
func walkPackages(t *testing.T, visit func(dir string, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); dir != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && dir != "." {
			return filepath.SkipDir // a module of its own
		}
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			return nil // a folder without Go files
		}
		visit(strings.TrimPrefix(filepath.ToSlash(dir), "."), pkg.Imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestArchitecture: ARCHITECTURE.md names every package, and what a package imports stands below it there.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "```text\n")
	list, _, _ = strings.Cut(list, "```")
	place := map[string]int{} // of the line of a folder
	for i, line := range strings.Split(list, "\n") {
		if words := strings.Fields(line); len(words) > 0 {
			place[strings.TrimSuffix(strings.TrimPrefix(words[0], "(root)"), "/")] = i
		}
	}
	// at returns the line of the folder that a package is in.
	at := func(dir string) (int, bool) {
		for folder := dir; folder != "."; folder = path.Dir(folder) {
			if line, named := place[folder]; named {
				return line, true
			}
		}
		return 0, false
	}
	walkPackages(t, func(dir string, imports []string) {
		line, named := at(dir)
		if !named {
			t.Errorf("ARCHITECTURE.md does not name %q", dir)
		}
		for _, other := range imports {
			to, own := strings.CutPrefix(other+"/", module+"/")
			if below, _ := at(strings.TrimSuffix(to, "/")); own && below < line {
				t.Errorf("%q imports %q, which stands above it in ARCHITECTURE.md", dir, other)
			}
		}
	})
}

// treeOf returns the longest listed tree that holds dir, or dir itself.
func treeOf(dir string) string {
	best, found := dir, false
	for tree := range allowed {
		if tree != "" && (dir == tree || strings.HasPrefix(dir, tree+"/")) && (!found || len(tree) > len(best)) {
			best, found = tree, true
		}
	}
	return best
}

func checkImports(t *testing.T, tree string, imports []string) {
	t.Helper()
	for _, path := range imports {
		if path == module || strings.HasPrefix(path, module+"/") {
			to := treeOf(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"))
			if path == module {
				to = ""
			}
			if may, listed := allowed[tree]; listed && to != tree && !slices.Contains(may, to) {
				t.Errorf("%q imports %q: the arrows of ARCHITECTURE.md do not allow it", tree, to)
			}
			continue
		}
		if slices.Contains(plain, tree) && strings.Contains(path, ".") {
			t.Errorf("%q imports %s: it may use the standard library alone", tree, path)
		}
		for prefix, owners := range sole {
			if strings.HasPrefix(path, prefix) && !slices.Contains(owners, tree) {
				t.Errorf("%q imports %s: only %v may", tree, path, owners)
			}
		}
		for _, prefix := range forbidden[tree] {
			if strings.HasPrefix(path, prefix) {
				t.Errorf("%q imports %s: it must not", tree, path)
			}
		}
	}
}
