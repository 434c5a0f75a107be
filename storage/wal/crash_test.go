package wal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"
)

// model is what a log should hold.
type model struct {
	records map[uint64]string
	values  map[string]string
}

func newModel() model { return model{map[uint64]string{}, map[string]string{}} }

func (m model) clone() model { return model{maps.Clone(m.records), maps.Clone(m.values)} }

func (m model) bounds() (first, last uint64) {
	if len(m.records) == 0 {
		return 0, 0
	}
	indexes := slices.Sorted(maps.Keys(m.records))
	return indexes[0], indexes[len(indexes)-1]
}

// compare reads everything of a log.
func (m model) compare(l *Log) error {
	first, last := m.bounds()
	if l.FirstIndex() != first || l.LastIndex() != last {
		return fmt.Errorf("bounds %d to %d, want %d to %d", l.FirstIndex(), l.LastIndex(), first, last)
	}
	for i := range last + 3 {
		data, err := l.Get(i)
		want, ok := m.records[i]
		if ok && (err != nil || string(data) != want) {
			return fmt.Errorf("record %d is %q, %v, want %q", i, data, err, want)
		}
		if !ok && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("record %d is %q, %v, want ErrNotFound", i, data, err)
		}
	}
	for _, name := range []string{"", "term", "vote"} {
		value, ok, err := l.Value(name)
		if want, exists := m.values[name]; err != nil || ok != exists || string(value) != want {
			return fmt.Errorf("value %q is %q, %v, %v, want %q, %v", name, value, ok, err, want, exists)
		}
	}
	return nil
}

// step is one random change, done to a model and to a log.
type step struct {
	name string
	do   func(l *Log) error
}

// drawStep changes m and returns the same change for a log.
func drawStep(t *rapid.T, m model) step {
	first, last := m.bounds()
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		name, value := rapid.SampledFrom([]string{"", "term", "vote"}).Draw(t, "name"), rapid.StringN(0, 5, -1).Draw(t, "value")
		m.values[name] = value
		return step{"set", func(l *Log) error { return l.Set(name, []byte(value)) }}
	case 1:
		min, max := uint64(0), rapid.Uint64Range(0, last+2).Draw(t, "delete up to")
		maps.DeleteFunc(m.records, func(i uint64, _ string) bool { return i <= max })
		return step{"delete the front", func(l *Log) error { return l.DeleteRange(min, max) }}
	case 2:
		min := rapid.Uint64Range(0, last+2).Draw(t, "delete from")
		maps.DeleteFunc(m.records, func(i uint64, _ string) bool { return i >= min })
		return step{"delete the end", func(l *Log) error { return l.DeleteRange(min, last+10) }}
	}
	next := last + 1
	if first == 0 {
		next = rapid.Uint64Range(1, 20).Draw(t, "first index")
	}
	var records []Record
	for i := range rapid.Uint64Range(1, 5).Draw(t, "records") {
		data := bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "data"))}, rapid.SampledFrom([]int{0, 1, 100, 9000}).Draw(t, "size"))
		records = append(records, Record{Index: next + i, Data: data})
		m.records[next+i] = string(data)
	}
	return step{"append", func(l *Log) error { return l.Append(records) }}
}

// TestCrashAfterEveryStep loses power after every change: all of it is there. And it loses power at
// every write within a change: all of that change is there or nothing.
func TestCrashAfterEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash seed"), 1))
		mem := vfs.NewCrashableMem()
		var mu sync.Mutex // Pebble writes on goroutines of its own; guards rng, images and within
		var images []*vfs.MemFS
		within := false
		lose := func() *vfs.MemFS {
			return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		}
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if within && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && len(images) < 5 {
				images = append(images, lose())
			}
			return nil
		}))
		during := func(f func() error) error {
			mu.Lock()
			within, images = true, nil
			mu.Unlock()
			err := f()
			mu.Lock()
			within = false
			mu.Unlock()
			return err
		}
		l, err := Open("log", Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		m := newModel()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			before := m.clone()
			s := drawStep(t, m)
			if err := during(func() error { return s.do(l) }); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			if err := m.compare(l); err != nil {
				t.Fatalf("after %s: %v", s.name, err)
			}
			for _, image := range images {
				if e1, e2 := checkImage(image, before), checkImage(image, m); e1 != nil && e2 != nil {
					t.Fatalf("power lost within %s: neither the log before (%v) nor after (%v)", s.name, e1, e2)
				}
			}
			if err := checkImage(lose(), m); err != nil {
				t.Fatalf("power lost after %s: %v", s.name, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := checkImage(mem, m); err != nil {
			t.Fatalf("reopened: %v", err)
		}
	})
}

// checkImage opens a copy of fs and compares it.
func checkImage(fs *vfs.MemFS, m model) error {
	l, err := Open("log", Options{FS: fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})})
	if err != nil {
		return err
	}
	return errors.Join(m.compare(l), l.Close())
}
