package reload

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFiles: what changed counts, what cannot be used does not, and the log says so once.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	write := func(i int, text string) {
		t.Helper()
		if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var taken []string
	take := func(texts [][]byte) error {
		if string(texts[0]) != string(texts[1]) {
			return errors.New("they do not fit each other")
		}
		taken = append(taken, string(texts[0]))
		return nil
	}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Open("things", paths, logger, take); err == nil {
		t.Error("files that are not there were opened")
	}
	write(0, "one")
	write(1, "two")
	if _, err := Open("things", paths, logger, take); err == nil || len(taken) > 0 {
		t.Errorf("files that do not fit: got %v, taken %q", err, taken)
	}
	write(1, "one")
	f, err := Open("things", paths, logger, take)
	if err != nil {
		t.Fatal(err)
	}
	step := func(what string, fault bool, logged int, want ...string) {
		t.Helper()
		f.Look()
		if got := f.Fault() != nil; got != fault || strings.Join(taken, " ") != strings.Join(want, " ") || strings.Count(log.String(), "\n") != logged {
			t.Errorf("%s: fault %v, taken %q, want %q; the log:\n%s", what, f.Fault(), taken, want, log.String())
		}
	}
	step("unchanged", false, 0, "one")
	write(0, "secret")
	step("one of two replaced", false, 0, "one")
	write(1, "secret")
	step("both replaced", false, 1, "one", "secret")
	write(0, "half")
	step("at fault", false, 1, "one", "secret")
	step("at fault still", true, 2, "one", "secret")
	step("said once", true, 2, "one", "secret")
	write(0, "secret")
	step("as before", false, 2, "one", "secret")
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	step("gone", false, 2, "one", "secret")
	step("gone still", true, 3, "one", "secret")
	if Faults([]*Files{f}) == nil {
		t.Error("no fault among all")
	}
	write(0, "three")
	write(1, "three")
	step("back", false, 4, "one", "secret", "three")
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "half") {
		t.Errorf("the log tells what the files hold:\n%s", log.String())
	}
}
