package doctest

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/loopback"
)

const root = "../.."

var update = flag.Bool("update", false, "write testdata/not-run.txt")

// readPages returns the texts of the pages by their paths from the root of the project.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch base := d.Name(); {
		case d.IsDir() && path != root && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "bin" || base == "dist"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(base) != ".md" || name == "CHANGELOG.md":
			return nil
		}
		text, err := os.ReadFile(path)
		texts[name] = string(text)
		return err
	})
	if err != nil || len(texts) < 40 {
		t.Fatalf("read %d pages: %v", len(texts), err)
	}
	return texts
}

var makeTarget = regexp.MustCompile(`(?m)^make ([a-z-]+)`)

// TestBlocks: every block has a language, and what is not run is listed, so that it does not grow unseen.
func TestBlocks(t *testing.T) {
	texts := readPages(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var listed strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		blocks, faults := parse(texts[name])
		for _, fault := range faults {
			t.Errorf("%s: %s", name, fault)
		}
		text := 0
		for _, b := range blocks {
			for _, m := range makeTarget.FindAllStringSubmatch(b.text, -1) {
				if b.language == "sh" && !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s:%d: make has no target %s", name, b.line, m[1])
				}
			}
			if b.notRun != "" {
				fmt.Fprintf(&listed, "%s: %s: %s\n", name, b.language, b.notRun)
			} else if b.language == "text" {
				text++
			}
		}
		if text > 0 {
			fmt.Fprintf(&listed, "%s: text: %d\n", name, text)
		}
	}
	const golden = "testdata/not-run.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(listed.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(listed.String()) {
		count[strings.TrimSpace(line)]++
	}
	for line := range strings.Lines(string(want)) {
		count[strings.TrimSpace(line)]--
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n > 0:
			t.Errorf("not run, and not listed: %s (go test ./internal/doctest -update lists it)", line)
		case n < 0:
			t.Errorf("listed, and not there any more: %s (go test ./internal/doctest -update)", line)
		}
	}
}

// TestPages executes, compiles or parses the blocks of each page.
func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the built binary, which a race detector in the test does not see")
	}
	texts := readPages(t)
	binary := sync.OnceValues(func() (string, error) { return build(t) })
	if _, err := binary(); err != nil {
		t.Fatal(err)
	}
	for name, text := range texts {
		blocks, _ := parse(text) // TestBlocks says what is wrong
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.language != "text" && b.notRun == "" && b.language != "" }) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, _ := binary()
			err := newPage(t, name, file).try(blocks)
			for range 2 {
				// A port that was free may be another's by the time that a server listens.
				if err != nil && strings.Contains(err.Error(), "address already in use") {
					err = newPage(t, name, file).try(blocks)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// build builds the binary, and returns the folder that it and other commands of pages are in. OSTIARY_TEST_BINARY names one that is
// there already.
func build(t *testing.T) (string, error) {
	dir := t.TempDir()
	if err := provideCurl(dir); err != nil {
		return "", err
	}
	if binary := os.Getenv("OSTIARY_TEST_BINARY"); binary != "" {
		return dir, os.Symlink(binary, filepath.Join(dir, "ostiary"))
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "ostiary"), "../../cmd/ostiary").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return dir, nil
}

// A page is one document while its blocks are tried.
type page struct {
	t         *testing.T
	name      string
	bin       string // the folder of the binary, where it is called ostiary
	folder    string // where its commands run
	addresses map[string]string
	with      []replacement
	sh        *shell // from the first command on
}

func newPage(t *testing.T, name, bin string) *page {
	p := &page{t: t, name: name, bin: bin, folder: t.TempDir(), addresses: map[string]string{}}
	for _, tree := range []string{"examples", "deploy"} {
		if err := os.CopyFS(filepath.Join(p.folder, tree), os.DirFS(filepath.Join(root, tree))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// shell returns the page's shell. What the server and the commands listen on and ask without being told are addresses of
// the page too.
func (p *page) shell() *shell {
	if p.sh == nil {
		environment := []string{
			"PATH=" + p.bin + string(os.PathListSeparator) + os.Getenv("PATH"),
			"HOME=" + p.folder,
			"TMPDIR=" + p.t.TempDir(),
			"OSTIARY_CONFIG=" + filepath.Join(p.folder, ".config", "config.json"),
			"OSTIARY_SERVER=" + p.address("8081"),
			"OSTIARY_GRPC_ADDR=" + p.address("8081"),
			"OSTIARY_HTTP_ADDR=" + p.address("8080"),
			"OSTIARY_ADMIN_ADDR=" + p.address("2112"),
		}
		p.sh = startShell(p.t, p.folder, environment)
	}
	return p.sh
}

// address returns what stands for a port of this machine.
func (p *page) address(port string) string {
	if p.addresses[port] == "" {
		address, err := loopback.FreeAddress()
		if err != nil {
			p.t.Fatal(err)
		}
		p.addresses[port] = address
	}
	return p.addresses[port]
}

var local = regexp.MustCompile(`\b(?:127\.0\.0\.1|localhost):([1-9]\d{3,4})\b`)

// here returns a text with what stands for others on this page.
func (p *page) here(text string) string {
	for _, r := range p.with {
		text = strings.ReplaceAll(text, r.old, r.new)
	}
	return p.atHome(text)
}

// shown returns what the page shows as it has to be printed. What a variable of the shell stands for may be any text.
func (p *page) shown(text string) string {
	for _, r := range p.with {
		if strings.Contains(r.new, "$") {
			text = strings.ReplaceAll(text, r.old, "…")
		} else {
			text = strings.ReplaceAll(text, r.old, r.new)
		}
	}
	return p.atHome(text)
}

// atHome puts the page's addresses in the place of those that it names.
func (p *page) atHome(text string) string {
	return local.ReplaceAllStringFunc(text, func(m string) string { return p.address(local.FindStringSubmatch(m)[1]) })
}

// try tries the blocks in their order. What goes wrong in a command ends the page: others stand on it.
func (p *page) try(blocks []block) error {
	for _, b := range blocks {
		p.with = append(p.with, b.with...)
		if b.notRun != "" || b.language == "text" || b.language == "" {
			if b.file != "" {
				p.write(b.file, b.text)
			}
			continue
		}
		b.text = b.before + b.text + b.after
		var err error
		switch b.language {
		case "sh", "console":
			err = p.commands(b)
		case "http":
			err = p.requests(b)
		case "fga":
			err = p.model(b)
		case "go":
			err = p.goCode(b)
		case "json":
			err = p.jsonValues(b)
		case "yaml":
			err = p.yaml(b)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", p.name, b.line, err)
		}
	}
	return nil
}

// write writes a file of the page's folder and returns its path.
func (p *page) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

var (
	background = regexp.MustCompile(`[^&]&\s*(?:#.*)?$`)
	serving    = regexp.MustCompile(`(?s)\bostiary\s+(?:serve|dev|demo)\b`)
	httpAddr   = regexp.MustCompile(`--http-addr[ =]\s*(\S+)`)
)

// commands runs the commands of a block.
func (p *page) commands(b block) error {
	all, err := commandsOf(b)
	if err != nil {
		return err
	}
	for i, c := range all {
		text := p.here(c.text)
		c.output = p.shown(c.output)
		if b.server && i == len(all)-1 {
			text = remark.ReplaceAllString(strings.TrimRight(text, "\n"), "") + " &" // so $! is the server itself
		}
		code, output := p.shell().run(text)
		if fault := c.judge(code, output); fault != "" {
			return fmt.Errorf("%s\n%s:\n%s", strings.TrimRight(text, "\n"), fault, output)
		}
		if b.server && i == len(all)-1 || background.MatchString(strings.TrimRight(text, "\n")) && serving.MatchString(text) {
			if err := p.await(b, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits until a server in the background answers.
func (p *page) await(b block, command string) error {
	url := p.here(b.url)
	if url == "" {
		address := p.address("8080")
		if m := httpAddr.FindStringSubmatch(command); m != nil {
			address = m[1]
		}
		if url = "http://" + address + "/readyz"; strings.Contains(command, "--tls-cert") {
			url = "https://" + address + "/readyz"
		}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // whoever answers: the page's commands look at certificates
	}}
	var last error
	printed := p.sh.printedBy(p.sh.count)
	for i := range 1200 {
		answer, err := client.Get(url)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK && strings.HasSuffix(url, "/readyz") {
				err = fmt.Errorf("it answers %s", answer.Status)
			}
		}
		last = err
		if err == nil || i%20 == 19 { // whoever answers may be another, where this one could not listen
			if code, _ := p.sh.run("kill -0 $!"); code != 0 {
				return fmt.Errorf("%s: it has ended:\n%s", command, printed())
			}
		}
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s: %s does not answer: %w\n%s", command, url, last, printed())
}
