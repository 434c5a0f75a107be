package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// as runs a command line with a key.
func (c *cli) as(key string, args ...string) (code int, text string) {
	c.t.Helper()
	c.env["OSTIARY_TOKEN"] = key
	code, out, err := c.run(args...)
	return code, out + err
}

// want runs a command line with a key, and requires its exit code and a part of what it says.
func (c *cli) want(code int, part, key string, args ...string) string {
	c.t.Helper()
	got, text := c.as(key, args...)
	if got != code || !strings.Contains(text, part) {
		c.t.Errorf("ostiary %s: exit code %d, want %d and %q in:\n%s", strings.Join(args, " "), got, code, part, text)
	}
	return strings.TrimSpace(text)
}

// awaitFile waits until a file is there.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(text), "\n") {
			return
		}
	}
	t.Fatalf("%s did not appear", path)
}

// TestAccess: a cluster begins with nobody who may do anything, and goes on with those who were granted something.
func TestAccess(t *testing.T) {
	const ops, shop, stranger = "the-key-of-operators", "the-key-of-the-shop", "the-key-of-nobody"
	keys, err := api.NewNamedKeys([]byte("ops " + ops + "\nshop " + shop + "\nstranger " + stranger))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address, _ := startNodeHTTP(t, keys, func(o *nodeOptions) { o.accessControl, o.dataDir = true, dir })
	c := newCLI(t, address)
	credential := filepath.Join(dir, bootstrapFile)
	awaitFile(t, credential)
	if info, err := os.Stat(credential); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credential: %v, %v", info.Mode(), err)
	}
	const refused = "the caller may not do that"
	c.want(exitFailed, refused, ops, "store", "create", "acme")
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte("ostiary_bootstrap_wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.want(exitFailed, "void", ops, "access", "bootstrap", "preshared:ops", "--credential-file", wrong)
	c.want(exitDone, "preshared:ops is administrator", "", "access", "bootstrap", "preshared:ops", "--credential-file", credential)
	c.want(exitFailed, "void", "", "access", "bootstrap", "preshared:stranger", "--credential-file", credential)

	acme := c.want(exitDone, "", ops, "store", "create", "acme")
	c.want(exitDone, "", ops, "store", "create", "other")
	c.want(exitDone, "granted", ops, "access", "grant", "preshared:shop", "reader", "store:acme")
	c.want(exitDone, "granted", ops, "access", "grant", "preshared:shop", "reader", "store:"+acme)
	if text := c.want(exitDone, "acme", shop, "store", "list"); strings.Contains(text, "other") {
		t.Errorf("the shop sees a store that it may not read:\n%s", text)
	}
	c.want(exitFailed, refused, shop, "tuple", "write", "doc:1#viewer@user:ann", "--store", acme)
	c.want(exitFailed, refused, shop, "access", "grant", "preshared:shop", "writer", "store:"+acme)
	c.want(exitFailed, refused, shop, "access", "list")
	c.want(exitFailed, refused, stranger, "store", "list")

	c.want(exitDenied, "denied", ops, "access", "explain", "preshared:shop", "writer", "store:acme")
	c.want(exitDone, "allowed", ops, "access", "explain", "preshared:shop", "reader", "store:acme")
	c.want(exitDone, "preshared:shop  reader", ops, "access", "list", "store:acme")
	c.want(exitDone, "preshared:ops   administrator  cluster", ops, "access", "list")
	c.want(exitFailed, "last administrator", ops, "access", "revoke", "preshared:ops", "administrator", "cluster")
	c.want(exitDone, "revoked", ops, "access", "revoke", "preshared:shop", "reader", "store:acme")
	c.want(exitFailed, refused, shop, "store", "list")

	log := strings.Split(c.want(exitDone, "preshared:shop", ops, "access", "log", "store:acme"), "\n")
	if len(log) != 3 || !strings.Contains(log[1], "revoke  preshared:shop  reader  store:"+acme) || !strings.Contains(log[2], "grant ") {
		t.Errorf("the log of a store:\n%s", strings.Join(log, "\n"))
	}
	c.want(exitDone, "claim   preshared:ops", ops, "access", "log", "--principal", "preshared:ops")
	c.want(exitDone, "there are more", ops, "access", "log", "--limit", "2")
	c.want(exitUsage, "--limit 0", ops, "access", "log", "--limit", "0")
	c.want(exitFailed, refused, shop, "access", "log", "store:acme")

	c.want(exitUsage, "target", ops, "access", "grant", "preshared:shop", "reader", "acme")
	c.want(exitUsage, "role", ops, "access", "grant", "preshared:shop", "owner", "cluster")
	c.want(exitFailed, "principal", ops, "access", "grant", "shop", "reader", "cluster")
	c.want(exitFailed, "not found", ops, "access", "grant", "preshared:shop", "reader", "organization:acme/nobody")
}

// TestBootstrapFile: each start without an administrator makes another credential, and a void one is deleted.
func TestBootstrapFile(t *testing.T) {
	keys, err := api.NewNamedKeys([]byte("ops the-key-of-operators"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	credential := filepath.Join(dir, bootstrapFile)
	var texts []string
	for range 2 {
		t.Run("start", func(t *testing.T) {
			if err := os.Rename(credential, credential+".old"); err != nil && len(texts) > 0 {
				t.Fatal(err)
			}
			address, _ := startNodeHTTP(t, keys, func(o *nodeOptions) { o.accessControl, o.dataDir = true, dir })
			awaitFile(t, credential)
			text, err := os.ReadFile(credential)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
			if len(texts) == 2 {
				c := newCLI(t, address)
				c.want(exitFailed, "void", "", "access", "bootstrap", "preshared:ops", "--credential-file", credential+".old")
				c.want(exitDone, "", "", "access", "bootstrap", "preshared:ops", "--credential-file", credential)
			}
		})
	}
	if len(texts) != 2 || texts[0] == texts[1] {
		t.Errorf("two starts made the same credential")
	}
	t.Run("claimed", func(t *testing.T) {
		startNodeHTTP(t, keys, func(o *nodeOptions) { o.accessControl, o.dataDir = true, dir })
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(credential); os.IsNotExist(err) {
				break
			}
			if time.Now().After(end) {
				t.Fatal("a void credential stays")
			}
		}
	})
}

// TestKeysFile: a file of keys that changes counts, and one that is at fault does not.
func TestKeysFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, _, err := openKeysFile(path, logger); err == nil {
		t.Error("a file that is not there was read")
	}
	write("ops short")
	if _, _, err := openKeysFile(path, logger); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("got %v, want an error that does not tell the key", err)
	}
	write("ops the-key-of-operators")
	keys, file, err := openKeysFile(path, logger)
	if err != nil {
		t.Fatal(err)
	}
	knows := func(key string) bool {
		_, err := keys.Authenticate(t.Context(), "Bearer "+key)
		return err == nil
	}
	take := func(text string) {
		t.Helper()
		write(text)
		file.Look()
		file.Look() // a fault is one at the second look
	}
	take("ops the-key-of-operators\nops another-key-of-operators")
	if !knows("the-key-of-operators") || !knows("another-key-of-operators") {
		t.Error("a key that was added does not count, or one that stayed")
	}
	take("ops another-key-of-operators\nsecretsecretsecret")
	if !knows("the-key-of-operators") {
		t.Error("a file that is at fault counts")
	}
	take("ops another-key-of-operators")
	if knows("the-key-of-operators") {
		t.Error("a key that was taken out counts")
	}
	if text := log.String(); !strings.Contains(text, "keys not replaced") || strings.Contains(text, "secret") || strings.Contains(text, "another-key") {
		t.Errorf("the log:\n%s", text)
	}
}

// TestAccessKey: what the command prints is what the server reads.
func TestAccessKey(t *testing.T) {
	out := newCLI(t, "127.0.0.1:1").must("access", "key", "shop")
	key, line, _ := strings.Cut(strings.TrimPrefix(out, "key:  "), "\nline: ")
	keys, err := api.NewNamedKeys([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := keys.Authenticate(t.Context(), "Bearer "+key); err != nil || p.String() != "preshared:shop" {
		t.Errorf("got %s, %v", p, err)
	}
	if strings.Contains(line, key) {
		t.Error("the line holds the key")
	}
}
