package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// findingsOf runs the doctor and returns what it found, by check; of several the worst.
func findingsOf(t *testing.T, wantCode int, args ...string) map[string]finding {
	t.Helper()
	code, out, stderr := newCLI(t, "").run(append([]string{"doctor", "--output", "json"}, args...)...)
	if code != wantCode {
		t.Fatalf("exit code %d, want %d: %s%s", code, wantCode, out, stderr)
	}
	var all []finding
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	rank := map[string]int{"": -1, "ok": 0, "warning": 1, "fault": 2}
	byCheck := map[string]finding{}
	for _, f := range all {
		if rank[f.Level] > rank[byCheck[f.Check].Level] {
			byCheck[f.Check] = f
		}
	}
	return byCheck
}

func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	free := []string{"--dev", "--data-dir", dir, "--grpc-addr", freeAddress(t), "--http-addr", freeAddress(t), "--admin-addr", ""}
	found := findingsOf(t, exitDone, free...)
	for _, check := range []string{"settings", "data folder", "server", "memory"} {
		if found[check].Level != "ok" {
			t.Errorf("%s: %+v", check, found[check])
		}
	}
	for _, check := range []string{"disk space", "disk sync", "open files", "clock"} {
		if found[check].Level == "" {
			t.Errorf("%s was not looked at", check)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the doctor left %v in the folder (%v)", left, err)
	}

	grpcAddr, url := startNodeHTTP(t, api.Anonymous())
	httpAddr := strings.TrimPrefix(url, "http://")
	if f := findingsOf(t, exitDone, "--dev", "--data-dir", dir, "--grpc-addr", grpcAddr, "--http-addr", httpAddr, "--admin-addr", "")["server"]; f.Level != "ok" || !strings.Contains(f.Found, "SERVING") {
		t.Errorf("of a server that runs: %+v", f)
	}

	t.Run("faults", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for check, args := range map[string][]string{
			"settings":    {"--public-url", "ftp://x"},
			"data folder": {"--data-dir", file},
			"addresses":   {"--grpc-addr", taken.Addr().String()},
			"certificate": {"--cluster-addr", "127.0.0.1:0", "--cluster-cert", file, "--cluster-key", file, "--cluster-ca", file},
		} {
			if f := findingsOf(t, exitFailed, append(append([]string{}, free...), args...)...)[check]; f.Level != "fault" {
				t.Errorf("%s: %+v", check, f)
			}
		}
	})
	t.Run("warnings", func(t *testing.T) {
		open := filepath.Join(dir, "open")
		if err := os.Mkdir(open, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
		if f := findingsOf(t, exitDone, append(append([]string{}, free...), "--data-dir", open)...)["data folder"]; f.Level != "warning" || !strings.Contains(f.Advice, "chmod") {
			t.Errorf("a folder that others read: %+v", f)
		}
		nobody := freeAddress(t)
		if f := findingsOf(t, exitDone, append(append([]string{}, free...), "--cluster-addr", freeAddress(t), "--join", nobody)...)["other nodes"]; f.Level != "warning" || !strings.Contains(f.Found, nobody) {
			t.Errorf("a node that does not answer: %+v", f)
		}
	})
}

func TestDoctorCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	if code, _, stderr := newCLI(t, "").run("cluster", "certs", "--out", dir, "--node", "a=10.1.2.3"); code != exitDone {
		t.Fatal(stderr)
	}
	flags, set := newServe()
	for name, value := range map[string]string{
		"cluster-cert": dir + "/a.pem", "cluster-key": dir + "/a-key.pem", "cluster-ca": dir + "/ca.pem", "advertise": "10.1.2.3:1",
	} {
		if err := set.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if f := checkCertificate(t.Context(), *flags); f[0].Level == "fault" {
		t.Errorf("a certificate for the host: %+v", f)
	}
	flags.cluster.advertise = "10.9.9.9:1"
	if f := checkCertificate(t.Context(), *flags); f[0].Level != "fault" {
		t.Errorf("a certificate for another host: %+v", f)
	}
}

func TestCheckFigures(t *testing.T) {
	for text, level := range map[string]string{
		"ostiary_identity_gate_off 0\nostiary_node_writable 1\nostiary_raft_apply_lag_entries 3\n": "ok",
		"ostiary_identity_gate_off 2\n":          "warning",
		"ostiary_node_writable 0\n":              "fault",
		"ostiary_raft_apply_lag_entries 5e+06\n": "warning",
	} {
		if f := checkFigures(text); len(f) != 1 || f[0].Level != level {
			t.Errorf("%q: %+v, want %s", text, f, level)
		}
	}
}
