package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeSettings(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ostiary.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSettingsOrder: the flag goes before the variable, the variable before the file, the file before the default.
func TestSettingsOrder(t *testing.T) {
	path := writeSettings(t, "# settings\ngrpc-addr: 127.0.0.1:1\nhttp-addr: 127.0.0.1:2\nlog-level: warn\n"+
		"http-cors-allowed-origins: [https://a.example, https://b.example]\nmax-reads: 5000\nmemory-limit: 1GiB\ndev: true\nauthn-preshared-keys: [hidden-one]\n")
	c := newCLI(t, "")
	c.env["OSTIARY_HTTP_ADDR"] = "127.0.0.1:3"
	c.env["OSTIARY_LOG_LEVEL"] = "error"
	code, out, stderr := c.run("config", "print", "--output", "json", "--config-file", path, "--log-level", "debug")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if strings.Contains(out, "hidden-one") {
		t.Errorf("a key is shown: %s", out)
	}
	var settings []setting
	if err := json.Unmarshal([]byte(out), &settings); err != nil {
		t.Fatal(err)
	}
	got := map[string]setting{}
	for _, s := range settings {
		got[s.Name] = s
	}
	for name, want := range map[string]setting{
		"grpc-addr":                 {Value: "127.0.0.1:1", Origin: origin(path + ":2")},
		"http-addr":                 {Value: "127.0.0.1:3", Origin: "$OSTIARY_HTTP_ADDR"},
		"log-level":                 {Value: "debug", Origin: "flag"},
		"http-cors-allowed-origins": {Value: "[https://a.example,https://b.example]", Origin: origin(path + ":5")},
		"max-reads":                 {Value: "5000", Origin: origin(path + ":6")},
		"memory-limit":              {Value: "1GiB", Origin: origin(path + ":7")},
		"dev":                       {Value: "true", Origin: origin(path + ":8")},
		"authn-preshared-keys":      {Value: "(secret)", Origin: origin(path + ":9")},
	} {
		if want.Name = name; got[name] != want {
			t.Errorf("got %+v, want %+v", got[name], want)
		}
	}
	if _, ok := got["data-dir"]; ok {
		t.Error("a default is shown without --all")
	}
	if _, out, _ := c.run("config", "print", "--all"); !strings.Contains(out, "data-dir") || !strings.Contains(out, "default") {
		t.Errorf("--all leaves defaults out: %s", out)
	}
}

// TestSettingsFaults: what is wrong is named with its line, and nothing starts.
func TestSettingsFaults(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown":      {"dev: true\ngprc-addr: 127.0.0.1:1\n", `:2: there is no setting "gprc-addr": did you mean grpc-addr?`},
		"far unknown":  {"colour: red\n", `there is no setting "colour": 'ostiary config reference' lists them`},
		"itself":       {"config-file: other.yaml\n", `there is no setting "config-file"`},
		"help":         {"help: true\n", `there is no setting "help"`},
		"twice":        {"dev: true\ndev: false\n", ":2: dev is set twice"},
		"out of range": {"dev: true\nmax-reads: 0\n", "--max-reads 0 is not from 1 to 1000000000 (" /* the file and line follow */},
		"duration":     {"dev: true\nrequest-timeout: 2h\n", "--request-timeout 2h0m0s is not from 1ms to 1h0m0s"},
		"value":        {"dev: true\nlog-level: loud\n", `--log-level "loud" is none of debug, info, warn, error`},
		"kind":         {"dev: true\nmax-reads: many\n", ":2: max-reads:"},
		"null":         {"dev: true\ndata-dir:\n", ":2: data-dir: it is no string"},
		"nested":       {"dev: true\ngrpc: {addr: x}\n", `there is no setting "grpc"`},
		"list":         {"dev: true\ndata-dir: [a, b]\n", ":2: data-dir: it is no string"},
		"comma":        {"dev: true\nhttp-cors-allowed-origins: ['a,b']\n", "without commas"},
		"no mapping":   {"- dev\n", "no list of NAME: VALUE"},
		"no YAML":      {"a: b: c\n", "yaml:"},
		"together":     {"dev: true\nauthn-method: preshared\n", "--dev"},
		"no authn":     {"data-dir: /x\n", "no authentication method"},
		"addresses":    {"dev: true\ngrpc-addr: 0.0.0.0:1\n", "is not a loopback address"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := newCLI(t, "").run("config", "validate", writeSettings(t, test.text))
			if code != exitUsage || !strings.Contains(stderr, test.want) || out != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, out, stderr, test.want)
			}
		})
	}
	path := writeSettings(t, "dev: true\n\n# nothing else\n")
	if code, out, stderr := newCLI(t, "").run("config", "validate", path); code != exitDone || !strings.Contains(out, "is sound: 1 settings") {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	if code, _, _ := newCLI(t, "").run("config", "validate", path+".missing"); code == exitDone {
		t.Error("a file that is not there is sound")
	}
	if code, _, stderr := newCLI(t, "").run("serve", "--config-file", writeSettings(t, "max-reads: 0\n")); code != exitUsage || !strings.Contains(stderr, "max-reads") {
		t.Errorf("serve: exit code %d: %s", code, stderr)
	}
}

// TestConfigReference: docs/ says of the settings what they are; 'make docs' makes it so.
func TestConfigReference(t *testing.T) {
	c := newCLI(t, "")
	for file, args := range map[string][]string{
		"../../docs/configuration.md": {"config", "reference"}, "../../docs/configuration.schema.json": {"config", "reference", "--schema"},
	} {
		code, out, stderr := c.run(args...)
		if code != exitDone {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		golden(t, file, out)
	}
	_, out, _ := c.run("config", "reference", "--output", "json")
	var all []description
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) < 40 {
		t.Fatalf("%d settings: %v", len(all), err)
	}
	for _, d := range all {
		if (d.Kind == "number" || d.Kind == "duration") && d.Most == "" && d.Name != "listObjects-max-results" && d.Name != "listUsers-max-results" {
			t.Errorf("--%s has no range", d.Name)
		}
	}
}
