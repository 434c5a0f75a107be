package doctest

import (
	"slices"
	"strings"
	"testing"
)

const samplePage = "# Page\n\n" +
	"<!-- run\nA=1\n-->\n<!-- with: X = $A\nY = Z -->\n<!-- server: http://127.0.0.1:9/ -->\n```sh\nserve X\n```\n\n" +
	"1. Item\n\n   <!-- not run: needs a tenant -->\n   ```console\n   $ one\n   two\n   ```\n\n   words\n\n" +
	"<!-- file: a.fga -->\n<!-- before\ntype user\n-->\n```fga\ntype doc\n```\n"

func TestParse(t *testing.T) {
	blocks, faults := parse(samplePage)
	if len(faults) != 0 || len(blocks) != 5 {
		t.Fatalf("%d blocks, faults %q", len(blocks), faults)
	}
	if b := blocks[0]; b.language != "sh" || b.text != "A=1\n" {
		t.Errorf("hidden commands: %+v", b)
	}
	if b := blocks[1]; !slices.Equal(b.with, []replacement{{"X", "$A"}, {"Y", "Z"}}) {
		t.Errorf("replacements: %+v", b)
	}
	if b := blocks[2]; !b.server || b.url != "http://127.0.0.1:9/" || b.text != "serve X\n" || b.line != 9 {
		t.Errorf("server: %+v", b)
	}
	if b := blocks[3]; b.notRun != "needs a tenant" || b.text != "$ one\ntwo\n" {
		t.Errorf("in a list: %+v", b)
	}
	if b := blocks[4]; b.file != "a.fga" || b.before != "type user\n" || b.text != "type doc\n" {
		t.Errorf("model: %+v", b)
	}
}

func TestParseFaults(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no language":         {"```\na\n```\n", `language ""`},
		"another language":    {"```rust\na\n```\n", `language "rust"`},
		"indented":            {"text\n\n    ostiary version\n", "line 3: a block is indented"},
		"indented in a list":  {"- text\n\n      ostiary version\n", "line 3: a block is indented"},
		"open":                {"```sh\na\n", "does not end"},
		"no reason":           {"<!-- not run: -->\n```sh\na\n```\n", "does not say why"},
		"no directive":        {"<!-- skip -->\n```sh\na\n```\n", "no directive"},
		"nothing follows":     {"<!-- not run: a reason -->\ntext\n", "followed by no block"},
		"nothing at all":      {"<!-- not run: a reason -->\n", "followed by no block"},
		"with without a sign": {"<!-- with: a -->\n", "want TEXT = TEXT"},
	} {
		_, faults := parse(test.text)
		if len(faults) != 1 || !strings.Contains(faults[0], test.want) {
			t.Errorf("%s: faults %q, want one with %q", name, faults, test.want)
		}
	}
	if blocks, faults := parse("<!-- a remark -->\ntext\n"); len(blocks)+len(faults) != 0 {
		t.Errorf("a remark: %+v, faults %q", blocks, faults)
	}
	if _, faults := parse("- item\n\n  more of it\n    and this\n\n1. other\n\n   more\n"); len(faults) != 0 {
		t.Errorf("lists: faults %q", faults)
	}
}

func TestCommandsOf(t *testing.T) {
	const text = "# a remark\ncat > f <<'EOF'\nx\n  y\nEOF\na \\\n  b  # denied\nfor i in 1 2; do\n  echo $i\ndone\necho 'one\ntwo'\nc\n"
	commands, err := commandsOf(block{language: "sh", text: text})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range commands {
		got = append(got, c.text)
	}
	want := []string{"cat > f <<'EOF'\nx\n  y\nEOF\n", "a \\\n  b  # denied\n", "for i in 1 2; do\n  echo $i\ndone\n", "echo 'one\ntwo'\n", "c"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	commands, err = commandsOf(block{language: "console", text: "$ one \\\n>   more\nout\n\nout\n$ two\n"})
	if err != nil || len(commands) != 2 || commands[0].text != "one \\\n  more\n" || commands[0].output != "out\n\nout\n" || commands[1].output != "" {
		t.Errorf("console: %+v, %v", commands, err)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		command string
		code    int
		output  string
		right   bool
	}{
		{"a", 0, "", true},
		{"a", 1, "", false},
		{"a  # denied: nobody", 3, "denied", true},
		{"a  # denied", 0, "allowed", false},
		{"a  # denied", 1, "", false},
		{"a  # allowed", 0, "allowed", true},
		{"a  # allowed", 0, "denied", false},
		{"a  # refused: it is there", 1, "", true},
		{"a  # refused", 0, "", false},
		{"a  # refused", 2, "wrong usage is not what a page shows", false},
		{"a  # refused", 127, "", false},
		{"a  # it is invalid, exit code 4", 4, "", true},
		{"a  # exit code 4", 1, "", false},
		{"a  # prints an id", 0, "", true},
	} {
		if fault := (command{text: test.command}).judge(test.code, test.output); (fault == "") != test.right {
			t.Errorf("%q, exit code %d: %q", test.command, test.code, fault)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, test := range []struct {
		shown, printed string
		want           bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\n", false},
		{"a\n", "a\nb\n", false},
		{"a…c\n", "abc\n", true},
		{"a…c\n", "ab\nc\n", false},
		{"a\n…\nc\n", "a\nb\nb\nc\n", true},
		{"a\n…\n", "a\n", true},
		{"01M829Q76X7B77ZFYKYTD8FK8T", "01M83FE4WWXRJ3Q2509A385D6G", true},
		{"01M829Q76X7B77ZFYKYTD8FK8T", "01m83fe4wwxrj3q2509a385d6g", false},
		{"u01m824qgqx05kcwex3kxbcecwz", "u01m83fe4wwxrj3q2509a385d6g", true},
		{"u01m824qgqx05kcwex3kxbcecwz", "s01m83fe4wwxrj3q2509a385d6g", false},
		{"at 2026-11-23T05:53:05.436975427Z", "at 2027-01-01T00:00:00Z", true},
		{"(a.b)", "(axb)", false},
	} {
		if got := alike(test.shown, test.printed); got != test.want {
			t.Errorf("alike(%q, %q) = %v", test.shown, test.printed, got)
		}
	}
}
