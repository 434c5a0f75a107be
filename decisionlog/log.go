package decisionlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what waits and of how long anything takes. There are two queues: one is filled while the other is written.
const (
	maxQueuedLines = 1 << 15
	maxQueuedBytes = 8 << 20
	hurryBytes     = maxQueuedBytes / 4 // as many wait for nothing
	writeEvery     = 100 * time.Millisecond
	lookEvery      = time.Second
	writeTimeout   = 2 * time.Second // of one write, where a deadline can be set
	closeTimeout   = 3 * time.Second // of what is left when the log is closed
	complainEvery  = time.Minute     // how often the server's own log says that decisions are lost
)

// Options configures Open. One of Path, Writer and Collector is required.
type Options struct {
	// Path is of a file to append to, which is made where it is missing, or of a pipe.
	Path string
	// Writer takes lines in the place of a file. It is not closed.
	Writer io.Writer
	// Collector is sent lines in the place of a file.
	Collector *Collector
	Rules     Rules
	Logger    *slog.Logger // nil discards

	writeTimeout, closeTimeout time.Duration // tests change these; zero: the constants
	maxLines, maxBytes         int
}

// Stats is what became of the decisions that rules have picked.
type Stats struct {
	// Dropped found the queue full, or the log closed. Failed could not be written.
	Written, Dropped, Failed uint64
	// Queued wait.
	Queued int
}

// Log writes decisions. Make one with Open and close it.
type Log struct {
	rules  Rules
	to     sink
	logger *slog.Logger

	mu     sync.Mutex
	queue  []byte
	lines  int
	closed bool

	some, much chan struct{} // one slot each: the queue holds something, or much
	closing    chan struct{}
	closeOnce  sync.Once
	closeBy    time.Time     // set before closing is closed
	ended      chan struct{} // closed when the goroutine has ended

	writeTimeout, closeTimeout time.Duration
	maxLines, maxBytes         int

	written, dropped, failed atomic.Uint64

	// Of the goroutine.
	spare                   []byte
	toldDropped, toldFailed uint64 // by lines of the log
	complained              time.Time
}

// sink is what lines are written to, by one goroutine.
type sink interface {
	// write returns how many bytes were written, and why not all.
	write(lines []byte, by time.Time) (int, error)
	// look makes sure that what follows goes where it should.
	look() error
	close() error
}

// Open returns a log.
func Open(o Options) (*Log, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		rules: o.Rules, logger: logger.With("component", "decisionlog"),
		some: make(chan struct{}, 1), much: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
		writeTimeout: cmp.Or(o.writeTimeout, writeTimeout), closeTimeout: cmp.Or(o.closeTimeout, closeTimeout),
		maxLines: cmp.Or(o.maxLines, maxQueuedLines), maxBytes: cmp.Or(o.maxBytes, maxQueuedBytes),
	}
	switch {
	case o.Writer != nil:
		l.to = &writer{to: o.Writer}
	case o.Collector != nil:
		c, err := o.Collector.dial()
		if err != nil {
			return nil, fmt.Errorf("open the decision log: %w", err)
		}
		l.to = c
	case o.Path != "":
		f := &file{path: o.Path}
		if err := f.open(); err != nil {
			return nil, fmt.Errorf("open the decision log: %w", err)
		}
		l.to = f
	default:
		return nil, errors.New("open the decision log: neither a path nor a writer nor a collector")
	}
	go l.run()
	return l, nil
}

// Wants reports whether a decision of this kind is to be told. It may say something else when asked again: rules pick
// by chance. Object is a type, or begins with one and a colon.
func (l *Log) Wants(store, method, result, object, relation string) bool {
	return l.rules.want(store, method, result, object, relation)
}

// scratch holds the lines that are made at the moment.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// Decided puts a decision into the queue, or drops it. It keeps nothing of d.
func (l *Log) Decided(d *Decision) {
	line := scratch.Get().(*[]byte)
	*line = d.appendLine((*line)[:0])
	l.put(*line)
	scratch.Put(line)
}

func (l *Log) put(line []byte) {
	l.mu.Lock()
	if l.closed || l.lines == l.maxLines || len(l.queue)+len(line) > l.maxBytes {
		l.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	l.queue = append(l.queue, line...)
	l.lines++
	first, hurry := l.lines == 1, len(l.queue) > hurryBytes
	l.mu.Unlock()
	if first {
		signal(l.some)
	}
	if hurry {
		signal(l.much)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stats returns what became of decisions so far, and zero of a nil log.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	queued := l.lines
	l.mu.Unlock()
	return Stats{Written: l.written.Load(), Dropped: l.dropped.Load(), Failed: l.failed.Load(), Queued: queued}
}

// Close writes what waits, for a bounded time. Decisions that come later are dropped.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.closeOnce.Do(func() {
		l.closeBy = time.Now().Add(l.closeTimeout)
		close(l.closing)
	})
	bound := time.NewTimer(l.writeTimeout + l.closeTimeout)
	defer bound.Stop()
	select {
	case <-l.ended:
		return l.to.close()
	case <-bound.C:
		return errors.New("close the decision log: what it is written to takes nothing: the last decisions may be missing")
	}
}

func (l *Log) run() {
	defer close(l.ended)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	timer := time.NewTimer(writeEvery)
	defer timer.Stop()
	for {
		select {
		case <-l.some:
		case <-look.C:
			if err := l.to.look(); err != nil {
				l.complain(err)
			}
			l.write()
			continue
		case <-l.closing:
			l.write()
			return
		}
		timer.Reset(writeEvery)
		select {
		case <-timer.C:
		case <-l.much:
		case <-l.closing:
		}
		l.write()
	}
}

// write writes what is in the queue now, after a line that says what was lost since the last.
func (l *Log) write() {
	l.tellLost()
	l.mu.Lock()
	batch, lines := l.queue, l.lines
	l.queue, l.lines = l.spare[:0], 0
	l.mu.Unlock()
	l.spare = batch
	if lines == 0 {
		return
	}
	n, err := l.to.write(batch, l.by())
	whole := bytes.Count(batch[:n], []byte{'\n'})
	l.written.Add(uint64(whole))
	if err != nil {
		l.failed.Add(uint64(lines - whole))
		l.complain(err)
	}
}

// by is when a write must have ended.
func (l *Log) by() time.Time {
	select {
	case <-l.closing:
		return l.closeBy
	default:
		return time.Now().Add(l.writeTimeout)
	}
}

func (l *Log) tellLost() {
	dropped, failed := l.dropped.Load(), l.failed.Load()
	if dropped == l.toldDropped && failed == l.toldFailed {
		return
	}
	line := append([]byte(`{"time":"`), time.Now().UTC().Format(time.RFC3339Nano)...)
	line = append(line, `","lost":true,"dropped":`...)
	line = strconv.AppendUint(line, dropped-l.toldDropped, 10)
	line = append(line, `,"failed":`...)
	line = strconv.AppendUint(line, failed-l.toldFailed, 10)
	line = append(line, '}', '\n')
	if _, err := l.to.write(line, l.by()); err != nil {
		l.complain(err)
		return
	}
	l.toldDropped, l.toldFailed = dropped, failed
}

func (l *Log) complain(err error) {
	if now := time.Now(); l.complained.IsZero() || now.Sub(l.complained) >= complainEvery {
		l.complained = now
		l.logger.Warn("decisions are lost: the decision log cannot be written", "failed", l.failed.Load(), "dropped", l.dropped.Load(), "error", err)
	}
}
