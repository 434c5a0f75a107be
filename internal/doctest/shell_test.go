package doctest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commandTimeout bounds one command of a page. No page waits for it: it ends a test that hangs.
const commandTimeout = 3 * time.Minute

// endTimeout bounds the wait for servers that a page has started, once they are told to stop.
const endTimeout = 30 * time.Second

// A shell is one bash that reads the commands of a page as files, so that each command has an output of its own and all
// of them share variables, the folder and what goes on in the background.
type shell struct {
	t        *testing.T
	dir      string // where files of commands and of their outputs are
	cmd      *exec.Cmd
	commands io.WriteCloser
	results  *bufio.Reader
	ended    chan struct{} // closed when bash is gone
	count    int
}

// loop runs files of commands, one a line of descriptor 3, and says how each has ended on descriptor 4. At the end it
// ends what goes on in the background, and waits for it.
const loop = `while IFS= read -r f <&3; do . "$f" >"$f.out" 2>&1 </dev/null 3<&- 4>&-; echo $? >&4; done
kill $(jobs -p) 2>/dev/null; wait`

func startShell(t *testing.T, folder string, environment []string) *shell {
	t.Helper()
	commandsRead, commandsWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	resultsRead, resultsWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: t.TempDir(), commands: commandsWrite, results: bufio.NewReader(resultsRead), ended: make(chan struct{})}
	s.cmd = exec.Command("bash", "-c", loop)
	s.cmd.Dir, s.cmd.Env = folder, environment
	s.cmd.ExtraFiles = []*os.File{commandsRead, resultsWrite}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	commandsRead.Close()
	resultsWrite.Close()
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		commandsWrite.Close()
		select {
		case <-s.ended:
		case <-time.After(endTimeout):
		}
		s.kill()
		resultsRead.Close()
	})
	return s
}

// kill ends bash and what it has left in the background by force.
func (s *shell) kill() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }

// run runs one command and returns its exit code with what it printed.
func (s *shell) run(command string) (code int, output string) {
	s.t.Helper()
	s.count++
	file := filepath.Join(s.dir, fmt.Sprintf("%03d", s.count))
	if err := os.WriteFile(file, []byte(command+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() {
		if _, err := fmt.Fprintln(s.commands, file); err != nil {
			answered <- err.Error()
			return
		}
		line, err := s.results.ReadString('\n')
		if err != nil {
			line = "the shell has ended: " + err.Error()
		}
		answered <- strings.TrimSpace(line)
	}()
	ctx, cancel := context.WithTimeout(s.t.Context(), commandTimeout)
	defer cancel()
	var answer string
	select {
	case answer = <-answered:
	case <-ctx.Done():
		s.kill()
		answer = "it did not end within " + commandTimeout.String()
	}
	printed, err := os.ReadFile(file + ".out")
	if err != nil {
		s.t.Fatal(err)
	}
	code, err = strconv.Atoi(answer)
	if err != nil {
		s.t.Fatalf("run %s: %s\n%s", command, answer, printed)
	}
	return code, string(printed)
}

// printedBy returns what reads what the command of that number has printed so far, also in the background.
func (s *shell) printedBy(number int) func() string {
	return func() string {
		text, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("%03d.out", number)))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
}

// A command is one of a block, with what the page says that it prints.
type command struct {
	text   string
	output string // nothing is compared where judged is false
	judged bool
}

// commandsOf returns the commands of a block of sh or console.
func commandsOf(b block) ([]command, error) {
	var all []command
	lines := strings.SplitAfter(strings.TrimSuffix(b.text, "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		if b.language == "console" {
			rest, found := strings.CutPrefix(line, "$ ")
			if !found {
				if len(all) == 0 {
					return nil, fmt.Errorf("%q: a block of console begins with a command after \"$ \"", line)
				}
				all[len(all)-1].output += line
				i++
				continue
			}
			line = rest
		}
		i++
		for !complete(line) {
			if i == len(lines) {
				return nil, fmt.Errorf("%q does not end", line)
			}
			line += strings.TrimPrefix(lines[i], "> ")
			i++
		}
		if text := strings.TrimSpace(line); text != "" && (!strings.HasPrefix(text, "#") || strings.Contains(text, "\n")) {
			all = append(all, command{text: line, judged: b.language == "console"})
		}
	}
	return all, nil
}

var hereDocument = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)

// complete says whether lines are whole commands: no quote, here-document, loop or continuation is open.
func complete(lines string) bool {
	if strings.HasSuffix(strings.TrimRight(lines, "\n"), `\`) {
		return false
	}
	first, rest, _ := strings.Cut(lines, "\n")
	if m := hereDocument.FindStringSubmatch(first); m != nil && !strings.Contains("\n"+rest+"\n", "\n"+m[1]+"\n") {
		return false
	}
	if !strings.ContainsAny(lines, `'"(){}`+"`") && !regexp.MustCompile(`\b(for|while|until|if|case|do|then)\b`).MatchString(lines) {
		return true
	}
	out, err := exec.Command("bash", "-n", "-c", lines).CombinedOutput()
	return err == nil || !strings.Contains(string(out), "unexpected end of file") && !strings.Contains(string(out), "unexpected EOF")
}

var (
	remark   = regexp.MustCompile(`\s#\s+(.*)$`)
	exitCode = regexp.MustCompile(`exit code (\d+)`)
)

// judge says what is wrong with how a command has ended, by what the page says of it.
func (c command) judge(code int, output string) string {
	said := ""
	if m := remark.FindStringSubmatch(strings.TrimRight(c.text, "\n")); m != nil {
		said = m[1]
	}
	want := 0
	switch m := exitCode.FindStringSubmatch(said); {
	case m != nil:
		want, _ = strconv.Atoi(m[1])
	case strings.HasPrefix(said, "denied"):
		want = 3
	case strings.HasPrefix(said, "refused"):
		if code == 0 || code == 2 || code > 5 {
			return fmt.Sprintf("exit code %d, want a refusal", code)
		}
		want = code
	case strings.HasPrefix(said, "allowed") && !strings.HasPrefix(output, "allowed"):
		return "the answer is not allowed"
	case c.judged && strings.HasPrefix(c.output, "denied"):
		want = 3
	}
	if code != want {
		return fmt.Sprintf("exit code %d, want %d", code, want)
	}
	if c.judged && !alike(c.output, output) {
		return "it prints other lines than the page shows:\n" + c.output + "\nbut"
	}
	return ""
}

// changing are texts that differ each time: any text, ids of all kinds, times, hashes.
var changing = regexp.MustCompile(`…|\b[0-9A-HJKMNP-TV-Z]{26}\b|\b[a-z]?01[0-9a-z]{24}\b|\b\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)|\b[0-9a-f]{40,64}\b`)

// alike says whether what a command printed is what a page shows.
func alike(shown, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(strings.TrimRight(shown, "\n ") + "\n") {
		line = strings.TrimRight(line, "\n ")
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		at := 0
		for _, m := range changing.FindAllStringIndex(line, -1) {
			pattern.WriteString(regexp.QuoteMeta(line[at:m[0]]))
			pattern.WriteString(kind(line[m[0]:m[1]]))
			at = m[1]
		}
		pattern.WriteString(regexp.QuoteMeta(line[at:]))
		pattern.WriteString(`[ \t]*\n`)
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String()).MatchString(strings.TrimRight(printed, "\n ") + "\n")
}

// kind returns the expression that stands for a changing text.
func kind(text string) string {
	switch {
	case text == "…":
		return `[^\n]*`
	case strings.Contains(text, "T") && strings.Contains(text, ":"):
		return `\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)`
	case len(text) >= 40:
		return fmt.Sprintf(`[0-9a-f]{%d}`, len(text))
	case text == strings.ToUpper(text):
		return `[0-9A-HJKMNP-TV-Z]{26}`
	default:
		return fmt.Sprintf(`%s[0-9a-z]{%d}`, text[:len(text)-24], 24)
	}
}
