package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// TestBackupAndRestore goes the whole way: a server with a key, a full backup, more writes, an increment, a
// restore of all and of the middle, and a server on each, which answers as the first did.
func TestBackupAndRestore(t *testing.T) {
	auth, err := api.PresharedKeys("k3y")
	if err != nil {
		t.Fatal(err)
	}
	server := startNode(t, auth)
	c := newCLI(t, server)
	dir := t.TempDir()
	full, increment := filepath.Join(dir, "full.ostb"), filepath.Join(dir, "increment.ostb")
	if code, _, stderr := c.run("backup", "create", full); code != exitFailed || !strings.Contains(stderr, "bearer") {
		t.Errorf("without a key: exit code %d, %s", code, stderr)
	}
	wantNoFiles(t, dir)
	c.env["OSTIARY_TOKEN"] = "k3y"
	c.newStore("other")
	store := c.newStore("acme")
	if _, _, err := pageOfStores(t, server, ""); err != nil { // draws the secret of page tokens
		t.Fatal(err)
	}
	c.must("tuple", "write", "doc:1#viewer@user:ann", "doc:2#viewer@user:ann")
	out := c.must("backup", "create", full)
	wantContains(t, "stdout", out, "full backup of revision", "tuples        2", "documents     7")
	c.must("tuple", "write", "doc:3#viewer@user:ann")
	c.must("tuple", "delete", "doc:1#viewer@user:ann")
	out = c.must("backup", "create", increment, "--since", full, "--output", "json")
	var answer backupAnswer
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Kind != "incremental" || answer.Since == 0 || answer.Summary.Rows["changelog"] != 2 {
		t.Errorf("increment: %v\n%s", err, out)
	}
	for _, name := range []string{full, increment} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want 0600", name, err, info.Mode())
		}
		verified, shown := c.must("backup", "verify", name), c.must("backup", "show", name)
		if verified != shown {
			t.Errorf("verify and show differ:\n%s\n%s", verified, shown)
		}
	}
	if code, _, stderr := c.run("backup", "create", filepath.Join(dir, "none"), "--since", increment); code != exitFailed || !strings.Contains(stderr, "nothing was written after revision") {
		t.Errorf("an increment of nothing: exit code %d, %s", code, stderr)
	}
	wantNoFiles(t, dir, "full.ostb", "increment.ostb")

	all, middle := filepath.Join(dir, "all"), filepath.Join(dir, "middle")
	out = c.must("restore", increment, full, "--data-dir", all)
	wantContains(t, "stdout", out, "restored revision "+fmt.Sprint(answer.Revision), "of 2 backups")
	c.must("restore", full, increment, "--data-dir", middle, "--to-revision", fmt.Sprint(answer.Revision-1))
	if code, _, stderr := c.run("restore", full, "--data-dir", all); code != exitFailed || !strings.Contains(stderr, "empty folder") {
		t.Errorf("restore over data: exit code %d, %s", code, stderr)
	}
	for folder, want := range map[string][]string{all: {"doc:2", "doc:3"}, middle: {"doc:1", "doc:2", "doc:3"}} {
		address, _ := startNodeHTTP(t, auth, func(o *nodeOptions) { o.dataDir = folder })
		back := newCLI(t, address)
		back.env["OSTIARY_TOKEN"] = "k3y"
		back.env["OSTIARY_STORE"] = store
		if got := back.must("list-objects", "user:ann", "viewer", "doc"); strings.Join(strings.Fields(got), " ") != strings.Join(want, " ") {
			t.Errorf("%s: list-objects %q, want %v", folder, got, want)
		}
		if folder == all {
			if got, want := back.must("tuple", "export"), c.must("tuple", "export"); got != want {
				t.Errorf("export of the restored server:\n%s\nof the original:\n%s", got, want)
			}
			wantOldTokensRefused(t, server, address)
		}
		back.must("tuple", "write", "doc:9#viewer@user:ann")
		back.must("check", "doc:9#viewer@user:ann")
	}
}

// pageOfStores lists one store of a server with the key, and returns the tokens of the next page and of the
// revision.
func pageOfStores(t *testing.T, address, page string, headers ...string) (next, token string, err error) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), append(headers, "authorization", "Bearer k3y")...)
	var header metadata.MD
	answer, err := openfgav1.NewOpenFGAServiceClient(conn).ListStores(ctx,
		&openfgav1.ListStoresRequest{PageSize: wrapperspb.Int32(1), ContinuationToken: page}, grpc.Header(&header))
	if err != nil {
		return "", "", err
	}
	return answer.GetContinuationToken(), header.Get(headerToken)[0], nil
}

// wantOldTokensRefused takes tokens of one server to another that was restored from it.
func wantOldTokensRefused(t *testing.T, from, to string) {
	t.Helper()
	page, token, err := pageOfStores(t, from, "")
	if err != nil || page == "" {
		t.Fatalf("no page token: %v", err)
	}
	if _, _, err := pageOfStores(t, from, page, headerAtLeast, token); err != nil {
		t.Errorf("tokens at their own server: %v", err)
	}
	if _, _, err := pageOfStores(t, to, "", headerAtLeast, token); err == nil {
		t.Error("a consistency token of the old cluster was taken")
	}
	if _, _, err := pageOfStores(t, to, page); err == nil {
		t.Error("a page token of the old cluster was taken")
	}
}

// wantNoFiles wants a folder to hold these files alone.
func wantNoFiles(t *testing.T, dir string, but ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(but, " ") {
		t.Errorf("the folder holds %v, want %v", names, but)
	}
}

// halfServer streams the first part of a backup, and then what it is told to.
type halfServer struct {
	ostiaryv1.UnimplementedOstiaryServiceServer
	data []byte
	end  error
}

func (h halfServer) CreateBackup(_ *ostiaryv1.CreateBackupRequest, stream grpc.ServerStreamingServer[ostiaryv1.CreateBackupResponse]) error {
	if err := stream.Send(&ostiaryv1.CreateBackupResponse{Data: h.data}); err != nil {
		return err
	}
	return h.end
}

// TestBrokenBackupStream: whatever way a stream ends before the backup does, there is no file, and one that
// was there stays.
func TestBrokenBackupStream(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	c.must("backup", "create", good)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	altered := append([]byte(nil), data...)
	altered[len(altered)/2] ^= 1
	for name, server := range map[string]halfServer{
		"ends early":   {data: data[:len(data)-10]},
		"empty":        {},
		"fails":        {data: data[:len(data)/2], end: status.Error(codes.Unavailable, "gone")},
		"altered":      {data: altered},
		"goes on":      {data: append(append([]byte(nil), data...), 'x')},
		"fails at end": {data: data, end: status.Error(codes.Internal, "after all")},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		ostiaryv1.RegisterOstiaryServiceServer(s, server)
		go s.Serve(listener)
		broken := newCLI(t, listener.Addr().String())
		if code, out, _ := broken.run("backup", "create", filepath.Join(dir, "broken")); code == exitDone {
			t.Errorf("%s: taken\n%s", name, out)
		}
		if code, _, _ := broken.run("backup", "create", good); code == exitDone {
			t.Errorf("%s: taken over a good one", name)
		}
		s.Stop()
		wantNoFiles(t, dir, "good")
		if now, err := os.ReadFile(good); err != nil || string(now) != string(data) {
			t.Errorf("%s: the backup that was there changed (%v)", name, err)
		}
	}
}

func TestBackupOfBadFiles(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	text := write(t, "notes.txt", "this is no backup, and long enough to look like one\n")
	for _, args := range [][]string{
		{"backup", "verify", text}, {"backup", "show", text}, {"backup", "create", "x", "--since", text},
		{"restore", text, "--data-dir", filepath.Join(t.TempDir(), "x")},
	} {
		if code, _, stderr := c.run(args...); code != exitFailed || !strings.Contains(stderr, "does not begin as a backup does") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	for _, args := range [][]string{
		{"restore", text}, {"restore"}, {"backup", "create"}, {"backup", "create", "x", "--since", "0"},
		{"restore", text, "--data-dir", "x", "--to-time", "noon"}, {"restore", text, "--data-dir", "x", "--to-revision", "0"},
		{"restore", text, "--data-dir", "x", "--to-time", "2026-01-31T12:00:00Z", "--to-revision", "4"},
	} {
		if code, _, stderr := c.run(args...); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, exitUsage, stderr)
		}
	}
}

// TestReadyz: a node on a full disk is ready, and says that it takes no writes.
func TestReadyz(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	if code, body := get(t, url+"/readyz"); code != http.StatusOK || strings.TrimSpace(body) != `{"status":"SERVING","writes":"ACCEPTED"}` {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, body := get(t, url+"/healthz"); code != http.StatusOK || strings.TrimSpace(body) != `{"status":"SERVING"}` {
		t.Errorf("/healthz: %d %s", code, body)
	}
}
