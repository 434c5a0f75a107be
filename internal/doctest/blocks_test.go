package doctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ostiary runs the binary beside the page's shell.
func (p *page) ostiary(args ...string) error {
	cmd := exec.Command(filepath.Join(p.bin, "ostiary"), args...)
	cmd.Dir = p.folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ostiary %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// model compiles a model. One that says neither "model" nor "module" is a part of one, and stands under a header.
func (p *page) model(b block) error {
	text := b.text
	if !regexp.MustCompile(`(?m)^(model|module)\b`).MatchString(text) {
		text = "model\n  schema 1.1\n" + text
	}
	name := b.file
	if name == "" {
		name = fmt.Sprintf("line-%d.fga", b.line)
	}
	p.write(name, text)
	if strings.Contains(text, "\nmodule ") || strings.HasPrefix(text, "module ") {
		return nil // its fga.mod compiles it
	}
	return p.ostiary("model", "validate", name)
}

// jsonValues parses values of JSON, and compiles those that are models.
func (p *page) jsonValues(b block) error {
	decoder := json.NewDecoder(strings.NewReader(b.text))
	count := 0
	for ; ; count++ {
		var value any
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if object, is := value.(map[string]any); is && object["type_definitions"] != nil {
			name := fmt.Sprintf("line-%d-%d.json", b.line, count)
			data, err := json.Marshal(value)
			if err != nil {
				return err
			}
			p.write(name, string(data))
			if err := p.ostiary("model", "validate", name); err != nil {
				return err
			}
		}
	}
	if count == 0 {
		return errors.New("a block of JSON is empty")
	}
	if b.file != "" {
		p.write(b.file, b.text)
	}
	return nil
}

// yaml parses documents of YAML, and runs the tests of those that are store files.
func (p *page) yaml(b block) error {
	decoder := yaml.NewDecoder(strings.NewReader(b.text))
	name := b.file
	if name == "" {
		name = fmt.Sprintf("line-%d.fga.yaml", b.line)
	}
	p.write(name, b.text)
	for count := 0; ; count++ {
		var value any
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			if count == 0 {
				return errors.New("a block of YAML is empty")
			}
			return nil
		} else if err != nil {
			return err
		}
		if object, is := value.(map[string]any); is && object["tests"] != nil {
			if err := p.ostiary("model", "test", name); err != nil {
				return err
			}
		}
	}
}

// goCode compiles a package, or statements of a function.
func (p *page) goCode(b block) error {
	text := b.text
	if !regexp.MustCompile(`(?m)^package `).MatchString(text) {
		return errors.New("code begins with no package: put what it needs into a comment \"before\"")
	}
	// An overlay is a package of this module without a file in its tree.
	module, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	folder := "internal/doctest/" + fmt.Sprintf("line%d", b.line)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(module, filepath.FromSlash(folder), "page.go"): p.write(fmt.Sprintf("line%d.go", b.line), text),
	}})
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-overlay", p.write(fmt.Sprintf("line%d.json", b.line), string(overlay)), "-o", os.DevNull, "./"+folder)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile: %w\n%s", err, out)
	}
	return nil
}

var requestLine = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) +(/\S*)(?: +(\{.*))?$`)

// requests sends the requests of a block to the page's server, by its shell, so that variables stand for what they hold.
func (p *page) requests(b block) error {
	type request struct{ method, path, body string }
	var all []request
	var headers []string
	for line := range strings.Lines(b.text) {
		line = strings.TrimRight(line, " \n")
		if m := requestLine.FindStringSubmatch(line); m != nil {
			all = append(all, request{m[1], m[2], m[3]})
		} else if len(all) == 0 {
			return fmt.Errorf("%q: want METHOD /path", line)
		} else if name, _, is := strings.Cut(line, ": "); is && all[len(all)-1].body == "" && !strings.ContainsAny(name, "{\" ") {
			headers = append(headers, line)
		} else {
			all[len(all)-1].body += line + "\n"
		}
	}
	for _, r := range all {
		script := fmt.Sprintf(`curl -sS --fail-with-body -X %s "http://127.0.0.1:8080%s" -H 'Content-Type: application/json'`, r.method, r.path)
		for _, h := range headers {
			script += ` -H "` + h + `"`
		}
		if r.body != "" {
			script += " --data-binary @- <<END_OF_BODY\n" + strings.TrimRight(r.body, "\n") + "\nEND_OF_BODY"
		}
		if code, output := p.shell().run(p.here(script)); code != 0 {
			return fmt.Errorf("%s %s: %s", r.method, r.path, output)
		}
	}
	return nil
}
