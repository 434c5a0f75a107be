package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// identityKeys writes a file of keys that a letter makes, and reads it as serve does.
func identityKeys(t *testing.T, letters ...string) func(*nodeOptions) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	text := "# keys for personal data\n"
	for _, l := range letters {
		text += strings.Repeat(l, 64) + "\n"
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := readIdentityKeys(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *nodeOptions) { o.identityKeys = keys }
}

// A node with the key stores people so that one without it cannot read them: that says so, and answers checks.
// The key can be changed. IDENTITY g.0 rule 13.
func TestServeWithIdentityKey(t *testing.T) {
	data, config := t.TempDir(), ""
	var connection, token, ann string
	run := func(name string, keys []string, f func(t *testing.T, c *cli, base string, log *buffer)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			log := &buffer{}
			options := []func(*nodeOptions){func(o *nodeOptions) {
				o.dataDir, o.logger = data, slog.New(slog.NewTextHandler(log, nil))
			}}
			if len(keys) > 0 {
				options = append(options, identityKeys(t, keys...))
			}
			address, base := startNodeHTTP(t, api.Anonymous(), options...)
			c := newCLI(t, address)
			c.env["OSTIARY_STORE"] = config
			f(t, c, base, log)
		})
	}
	find := func(t *testing.T, base string, want int) {
		t.Helper()
		scimTo(t, base, connection, token, "GET", "/Users/"+ann, "", want)
	}
	run("first", []string{"a"}, func(t *testing.T, c *cli, base string, _ *buffer) {
		model := filepath.Join(t.TempDir(), "model")
		c.must("org", "init", model)
		config = c.newStore("acme")
		c.must("model", "write", filepath.Join(model, "fga.mod"))
		c.must("org", "create", "Acme", "--id", "acme")
		printed := c.must("connection", "create", "acme", "--kind", "okta")
		connection, token = connectionIDs.FindString(printed), scimTokens.FindString(printed)
		ann = userIDs.FindString(scimTo(t, base, connection, token, "POST", "/Users", strings.Replace(newUserBody, "NAME", "ann", 1), http.StatusCreated))
		find(t, base, http.StatusOK)
	})
	locked := func(t *testing.T, c *cli, base string, log *buffer) {
		find(t, base, http.StatusServiceUnavailable)
		scimTo(t, base, connection, token, "POST", "/Users", newUserBody, http.StatusServiceUnavailable)
		c.must("check", "organization:acme#member@user:"+ann)
		for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "cannot read personal data"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the node does not say so:\n%s", log)
			}
		}
	}
	run("without", nil, locked)
	run("another", []string{"b"}, locked)
	run("new first", []string{"b", "a"}, func(t *testing.T, c *cli, base string, log *buffer) {
		for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "is under the first key"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the secret is not wrapped again:\n%s", log)
			}
		}
		find(t, base, http.StatusOK)
	})
	run("old alone", []string{"a"}, locked)
	run("new alone", []string{"b"}, func(t *testing.T, _ *cli, base string, _ *buffer) { find(t, base, http.StatusOK) })
}

func TestReadIdentityKeys(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	for _, c := range []struct {
		mode os.FileMode
		text string
		want string // of the error; empty: none
	}{
		{0o600, strings.Repeat("a", 64), ""},
		{0o440, strings.Repeat("a", 64), ""},
		{0o644, strings.Repeat("a", 64), "chmod 600"},
		{0o620, strings.Repeat("a", 64), "chmod 600"},
		{0o600, "secret", "line 1"},
		{0o600, "", "there are 0 keys"},
	} {
		os.Remove(name)
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, c.mode); err != nil {
			t.Fatal(err)
		}
		keys, err := readIdentityKeys(name)
		if c.want == "" && (err != nil || keys == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%04o %q: got %v", c.mode, c.text, err)
		}
	}
	if keys, err := readIdentityKeys(""); err != nil || keys != nil {
		t.Errorf("without a name: got %v, %v", keys, err)
	}
	if _, err := readIdentityKeys(name + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}
