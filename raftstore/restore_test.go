package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore/backup"
)

// wantUntouched looks for what a failed restore left.
func wantUntouched(t testing.TB, fs vfs.FS, dir string) {
	t.Helper()
	names, err := fs.List(dir)
	if err == nil && len(names) > 0 {
		t.Errorf("a failed restore left %v", names)
	}
}

// TestRestoreOfDamage alters a backup in many places, and cuts it: every restore fails and leaves nothing.
func TestRestoreOfDamage(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 30)
	full := backupOf(t, s, 0)
	churn(t, s, 30, 40)
	increment := backupOf(t, s, manifestIn(t, full).Revision)
	try := func(name string, files ...[]byte) {
		t.Helper()
		fs := vfs.NewMem()
		_, err := Restore(t.Context(), RestoreOptions{Dir: "x", FS: fs, Sources: sources(files...)})
		if !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrVersion) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
		wantUntouched(t, fs, "x")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(full); i += 1 + random.IntN(len(full)/12) {
		altered := bytes.Clone(full)
		altered[i] ^= 1 << random.IntN(8)
		try(fmt.Sprintf("byte %d altered", i), altered, increment)
		try(fmt.Sprintf("cut at %d", i), full[:i])
	}
	altered := bytes.Clone(increment)
	altered[len(altered)-50] ^= 1
	try("increment altered", full, altered)
	try("increment cut", full, increment[:len(increment)-1])
}

// TestRestoreOverData refuses any folder that is not empty, and leaves it alone.
func TestRestoreOverData(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "live", FS: fs})
	churn(t, s, 0, 10)
	o := RestoreOptions{Dir: "live", FS: fs, Sources: sources(backupOf(t, s, 0))}
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "empty folder") {
		t.Errorf("over a node that runs: got %v", err)
	}
	churn(t, s, 10, 20)
	want := answersOf(t, s, newest(s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "empty folder") {
		t.Errorf("over a node that is down: got %v", err)
	}
	s = open(t, Options{Dir: "live", FS: fs})
	if got := answersOf(t, s, want.Changes[len(want.Changes)-1].Revision); len(got.Tuples) != len(want.Tuples) {
		t.Errorf("a refused restore changed the folder: %d tuples, were %d", len(got.Tuples), len(want.Tuples))
	}
	file, err := fs.Create("other", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	o.Dir = "other"
	if _, err := Restore(t.Context(), o); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// TestRestoreOnFullDisk lets the disk fill up, or fail, at each write in turn: the restore fails with that
// error, and what is left is nothing, or is refused by Open. Once there is room a restore succeeds.
func TestRestoreOnFullDisk(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 30)
	full := backupOf(t, s, 0)
	for n := int64(0); ; n++ {
		if n > 40 { // the rest more coarsely
			n += 10
		}
		mem := vfs.NewMem()
		var writes, failed atomic.Int64
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch {
			case op.Kind.ReadOrWrite() == errorfs.OpIsRead, op.Kind == errorfs.OpRemove, op.Kind == errorfs.OpRemoveAll, op.Kind == errorfs.OpFileClose:
				return nil
			case writes.Add(1)-1 < n:
				return nil
			}
			failed.Add(1)
			return syscall.ENOSPC
		}))
		_, err := Restore(t.Context(), RestoreOptions{Dir: "x", FS: fs, Sources: sources(full)})
		if failed.Load() == 0 {
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d writes", n)
			break
		}
		if err == nil {
			t.Fatalf("write %d of the disk failed, and the restore did not", n)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write %d of the disk failed: got %v, want ENOSPC", n, err)
		}
		wantNothingWhole(t, mem, fmt.Sprintf("write %d failed", n))
	}
}

// wantNothingWhole: the folder of a restore that did not end is missing or empty, or Open refuses it.
func wantNothingWhole(t *testing.T, fs vfs.FS, when string) {
	t.Helper()
	names, err := fs.List("x")
	if err != nil || len(names) == 0 {
		return
	}
	back, err := Open(context.Background(), Options{Dir: "x", FS: fs})
	if err == nil {
		back.Close()
		t.Fatalf("%s: a node opens in what is left: %v", when, names)
	}
	if !errors.Is(err, ostiary.ErrCorrupt) || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("%s: got %v, want that the restore was not finished", when, err)
	}
}

// TestPowerLossWhileRestoring takes an image of the disk, as a power loss would leave it, at many writes.
func TestPowerLossWhileRestoring(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 30)
	full := backupOf(t, s, 0)
	random := rand.New(rand.NewPCG(5, 6))
	mem := vfs.NewCrashableMem()
	var images []*vfs.MemFS
	writes := 0
	var mu sync.Mutex // images are taken by any goroutine of Pebble
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			if writes++; writes%5 == 0 {
				images = append(images, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random}))
			}
		}
		return nil
	}))
	if _, err := Restore(t.Context(), RestoreOptions{Dir: "x", FS: fs, Sources: sources(full)}); err != nil {
		t.Fatal(err)
	}
	if len(images) < 10 {
		t.Fatalf("only %d images", len(images))
	}
	for i, image := range images {
		wantNothingWhole(t, image, fmt.Sprintf("image %d of %d", i, len(images)))
	}
	back := open(t, Options{Dir: "x", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	wantSameAnswers(t, back, s, 2, manifestIn(t, full).Revision)
}

// restoreChildDir names, in the environment, the folder into which the child of TestKillWhileRestoring
// restores the backup beside it.
const restoreChildDir = "OSTIARY_RESTORE_CHILD_DIR"

// restoreChildMain is that child.
func restoreChildMain() {
	dir := os.Getenv(restoreChildDir)
	if dir == "" {
		return
	}
	opened := 0
	source := BackupSource{Name: "backup", Open: func() (io.ReadCloser, error) {
		opened++
		file, err := os.Open(dir + ".backup")
		if opened == 2 && os.Getenv(restoreChildStalls) != "" { // the first time it looks at the manifest alone
			return stalling{file, io.LimitReader(file, stallAfter)}, err
		}
		return file, err
	}}
	if _, err := Restore(context.Background(), RestoreOptions{Dir: dir, Sources: []BackupSource{source}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// restoreChildStalls, in the environment, lets the child get no further than stallAfter bytes of the backup.
const (
	restoreChildStalls = "OSTIARY_RESTORE_CHILD_STALLS"
	stallAfter         = 10_000
)

// stalling is a file whose end does not come while standard input is open.
type stalling struct {
	*os.File
	first io.Reader
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.first.Read(p)
	if errors.Is(err, io.EOF) {
		_, err = io.Copy(io.Discard, os.Stdin)
		err = errors.Join(err, io.ErrUnexpectedEOF)
	}
	return n, err
}

// TestKillWhileRestoring ends a restore with SIGKILL at many moments: what is left is nothing, or is
// refused, or is whole where the restore had ended. The first one is held up in the middle.
// After the folder is emptied a restore succeeds.
func TestKillWhileRestoring(t *testing.T) {
	s := openMem(t)
	for n := range 10 {
		m := create(0)
		m.Tuples = nil
		for i := range 2000 {
			m.Tuples = append(m.Tuples, create(n*2000+i).Tuples...)
		}
		if _, err := s.Propose(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	full := backupOf(t, s, 0)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	if len(full) < 2*stallAfter {
		t.Fatalf("the backup has %d bytes: too few to stop in the middle", len(full))
	}
	cut := 0
	for round := range rounds {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(dir+".backup", full, 0o600); err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), restoreChildDir+"="+dir)
		child.Stderr = os.Stderr
		if round == 0 {
			child.Env = append(child.Env, restoreChildStalls+"=1")
		}
		input, err := child.StdinPipe() // open while this process lives
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			child.Wait() // its exit code says only who was faster
			close(ended)
		}()
		until(t, "the restore does not begin", func() error {
			select {
			case <-ended:
				return nil
			default:
			}
			_, err := os.Stat(filepath.Join(dir, restoringFile))
			return err
		})
		time.Sleep(time.Duration(round*15) * time.Millisecond)
		child.Process.Kill()
		<-ended
		input.Close()
		back, err := Open(t.Context(), Options{Dir: dir})
		switch {
		case err == nil: // the kill came after the end, or none did
			wantSameAnswers(t, back, s, newest(back), newest(back))
			back.Close()
		case !strings.Contains(err.Error(), "not finished"):
			t.Errorf("round %d: got %v, want that the restore was not finished", round, err)
		default:
			cut++
			if _, err := Restore(t.Context(), RestoreOptions{Dir: dir, Sources: sources(full)}); err == nil || !strings.Contains(err.Error(), "not finished") {
				t.Errorf("round %d: a restore over what is left: got %v", round, err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(t.Context(), RestoreOptions{Dir: dir, Sources: sources(full)}); err != nil {
				t.Errorf("round %d: a restore into the emptied folder: %v", round, err)
			}
		}
	}
	if cut == 0 {
		t.Error("no kill came in the middle of a restore")
	}
	t.Logf("%d of %d kills came in the middle", cut, rounds)
}
