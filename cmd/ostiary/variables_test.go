package main

import (
	"slices"
	"strings"
	"testing"
)

// TestUnknownVariables: a variable that looks like a setting and is none is an error of 'config validate', which names the
// nearest and not the value; what the client reads, what belongs to others and what Kubernetes sets is left alone.
func TestUnknownVariables(t *testing.T) {
	path := writeSettings(t, "dev: true\n")
	for name, hint := range map[string]string{
		"OSTIARY_GRPC_ADRR":        "did you mean OSTIARY_GRPC_ADDR?",
		"OSTIARY_GRPC_ADDRESS":     "did you mean OSTIARY_GRPC_ADDR?",
		"OSTIARY_TLS_CERTS":        "did you mean OSTIARY_TLS_CERT?",
		"OSTIARY_TLS_KEYS":         "did you mean OSTIARY_TLS_KEY?",
		"OSTIARY_DATASTORE_ENGINE": "'ostiary config reference' lists those of the server",
	} {
		c := newCLI(t, "")
		c.env[name] = "the-hidden-value"
		code, _, stderr := c.run("config", "validate", path)
		if want := name + " is no setting: " + hint; code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "hidden") {
			t.Errorf("exit code %d: %s, want %q", code, stderr, want)
		}
	}
	c := newCLI(t, "")
	for name, value := range map[string]string{
		"OSTIARY_TOKEN": "x", "OSTIARY_CONFIG": "x", "OSTIARY_SCIM_TOKEN": "x", "OSTIARY_URL_TOKEN": "x", "OSTIARY_STORE": "x",
		"OSTIARY_NOTHING": "", "OPENFGA_GRPC_ADRR": "x", "MY_OSTIARY_X": "x",
		"OSTIARY_SERVICE_HOST": "10.0.0.1", "OSTIARY_SERVICE_PORT": "8080", "OSTIARY_SERVICE_PORT_HTTP": "8080",
		"OSTIARY_PORT": "tcp://10.0.0.1:8080", "OSTIARY_PORT_8080_TCP": "x", "OSTIARY_PORT_8080_TCP_ADDR": "x",
		"OSTIARY_PEERS_PORT_8082_TCP_PROTO": "tcp", "OSTIARY_PEERS_SERVICE_HOST": "x",
	} {
		c.env[name] = value
	}
	if code, _, stderr := c.run("config", "validate", path); code != exitDone {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestServeWarnsOfVariables: the server starts all the same.
func TestServeWarnsOfVariables(t *testing.T) {
	c := newCLI(t, "")
	c.env["OSTIARY_GRPC_ADRR"] = "the-hidden-value"
	// Another fault ends the run, after the warning.
	_, _, stderr := c.run("serve", "--dev", "--data-dir", t.TempDir(), "--grpc-addr", "127.0.0.1:99999")
	if !strings.Contains(stderr, "variable=OSTIARY_GRPC_ADRR") || !strings.Contains(stderr, "did you mean OSTIARY_GRPC_ADDR?") || strings.Contains(stderr, "hidden") {
		t.Errorf("no warning: %s", stderr)
	}
}

// TestVariablesHideNoFault: a value of the file that a variable or a flag hides is judged as the others are.
func TestVariablesHideNoFault(t *testing.T) {
	for text, want := range map[string]string{
		"dev: true\nmax-reads: 0\n":             ":2: max-reads: --max-reads 0 is not from 1 to",
		"dev: true\nmax-reads: many\n":          ":2: max-reads:",
		"dev: true\nsigning-key-rotation: 1h\n": "--signing-key-rotation 1h0m0s is neither 0 nor from 48h0m0s to 87600h0m0s",
	} {
		c := newCLI(t, "")
		c.env["OSTIARY_MAX_READS"] = "5000"
		code, out, stderr := c.run("config", "validate", writeSettings(t, text))
		if code != exitUsage || !strings.Contains(stderr, want) || out != "" {
			t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, out, stderr, want)
		}
	}
	c := newCLI(t, "")
	path := writeSettings(t, "dev: true\nmax-reads: 7\nsigning-key-rotation: 0s\n")
	code, out, stderr := c.run("config", "print", "--config-file", path, "--max-reads", "9")
	if code != exitDone || !slices.Equal(strings.Fields(lineWith(out, "max-reads")), []string{"max-reads", "9", "flag"}) {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
}

// lineWith returns the first line that holds a text.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

func TestLetterDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}} {
		if got := letterDistance(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
