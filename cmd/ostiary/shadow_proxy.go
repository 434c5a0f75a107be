package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of what a shadow holds for the secondary. What does not fit is left out and counted.
const (
	maxShadowQuestion = 256 << 10 // bytes of one request
	maxShadowAnswer   = 1 << 20   // bytes of one answer
	maxShadowQueue    = 4096      // questions, and writes, that wait
	maxShadowWaiting  = 64 << 20  // bytes of all that waits
)

// shadow passes requests on to the primary and hands what is to be asked of the secondary to workers.
// Safe for concurrent use.
type shadow struct {
	primary, secondary *url.URL
	flags              shadowFlags
	ids                *idMap // nil: ids are the same at both
	proxy              *httputil.ReverseProxy
	client             *http.Client
	tally              *shadowTally

	mu struct { // held to send into the queues, which never waits, and to close them
		sync.RWMutex
		ended bool
	}
	questions chan *exchange
	writes    chan *exchange
	waiting   atomic.Int64 // bytes of what stands in the queues
	// writesBegun counts the writes put into the queue, writesDone those that have left it.
	writesBegun, writesDone atomic.Int64
}

// exchange is a request of a client and what the primary answered.
type exchange struct {
	kind          string
	store         string
	body          []byte
	authorization string // the client's, to ask the primary once more
	at            time.Time
	answer        rawAnswer
}

// rawAnswer is an answer as it came.
type rawAnswer struct {
	status    int
	truncated bool // the server said that it cut a list
	body      []byte
	took      time.Duration
}

func (e *exchange) size() int64 { return int64(len(e.body) + len(e.answer.body)) }

func newShadow(flags shadowFlags) (*shadow, error) {
	if err := flags.validate(); err != nil {
		return nil, err
	}
	primary, err := parseURL("--primary", flags.primary)
	if err != nil {
		return nil, err
	}
	secondary, err := parseURL("--secondary", flags.secondary)
	if err != nil {
		return nil, err
	}
	s := &shadow{
		primary: primary, secondary: secondary, flags: flags, tally: newShadowTally(),
		questions: make(chan *exchange, maxShadowQueue), writes: make(chan *exchange, maxShadowQueue),
	}
	if flags.ids != "" {
		state, err := readMigration(flags.ids)
		if err != nil {
			return nil, err
		}
		if err := state.finished(); err != nil {
			return nil, err
		}
		s.ids = newIDMap(state, state.Source == secondary.String())
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxShadowConcurrency
	transport.Proxy = nil // both addresses are meant as they stand
	s.client = &http.Client{Transport: transport, Timeout: flags.timeout}
	s.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(primary)
			r.SetXForwarded()
			r.Out.Header.Del("Accept-Encoding") // the transport's own is undone before we read the answer
		},
		Transport:     transport,
		FlushInterval: -1, // streams pass line by line
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			s.tally.count(func(c *shadowSummary) { c.PrimaryFailed++ })
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintf(w, `{"code":"unavailable","message":%q}`, "the shadow does not reach the primary: "+err.Error())
		},
	}
	return s, nil
}

// ServeHTTP passes one request on, and remembers it for the secondary where it is a question.
func (s *shadow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun, err := takeBody(r)
	if err != nil {
		http.Error(w, `{"code":"invalid_argument","message":"the request ended early"}`, http.StatusBadRequest)
		return
	}
	kind, store := questionOf(r)
	switch {
	case kind == "":
		s.tally.count(func(c *shadowSummary) {
			c.Forwarded++
			if r.Method != http.MethodGet {
				c.NotMirrored++
			}
		})
	case kind == kindWrite && !s.flags.mirrorWrites:
		s.tally.count(func(c *shadowSummary) { c.Forwarded++; c.NotMirrored++ })
	case kind != kindWrite && s.flags.sample < 1 && rand.Float64() >= s.flags.sample:
		s.tally.count(func(c *shadowSummary) { c.Unsampled++ })
	default:
		s.serveQuestion(w, r, begun, kind, store)
		return
	}
	s.proxy.ServeHTTP(w, r)
}

// takeBody reads the body of a request, up to a byte more than a question may have, and leaves it to be
// read again. A body that is whole is not read from the connection any more: the server closes it as
// soon as the answer begins, which may be while the transport still looks for its end.
func takeBody(r *http.Request) ([]byte, error) {
	begun, err := io.ReadAll(io.LimitReader(r.Body, maxShadowQuestion+1))
	if err != nil {
		return nil, err
	}
	if len(begun) <= maxShadowQuestion {
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(begun)), int64(len(begun)), nil
		if len(begun) == 0 {
			r.Body = http.NoBody
		}
		return begun, nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begun), r.Body), r.Body}
	return begun, nil
}

func (s *shadow) serveQuestion(w http.ResponseWriter, r *http.Request, begun []byte, kind, store string) {
	started := time.Now()
	record := &recorder{ResponseWriter: w, status: http.StatusOK, last: started}
	s.proxy.ServeHTTP(record, r)
	if record.status >= 500 || record.status == http.StatusUnauthorized || record.status == http.StatusForbidden ||
		record.status == http.StatusTooManyRequests || kind == kindWrite && record.status >= 300 {
		s.tally.count(func(c *shadowSummary) {
			c.Refused++
			if kind == kindWrite && record.status >= 500 {
				c.WritesDropped++ // the primary may have done it
			}
		})
		return
	}
	e := &exchange{
		kind: kind, store: store, body: begun, authorization: r.Header.Get("Authorization"), at: started,
		answer: rawAnswer{
			status: record.status, truncated: w.Header().Get(headerTruncated) == "true", body: record.body, took: record.last.Sub(started),
		},
	}
	if len(begun) > maxShadowQuestion || record.tooLong && kind != kindWrite {
		s.drop(e, func(c *shadowSummary) { c.TooLarge++ })
		return
	}
	s.enqueue(e)
}

// enqueue hands an exchange to the workers, and never waits for them.
func (s *shadow) enqueue(e *exchange) {
	queue := s.questions
	if e.kind == kindWrite {
		e.answer.body = nil
		queue = s.writes
	}
	if s.waiting.Add(e.size()) > maxShadowWaiting {
		s.waiting.Add(-e.size())
		s.drop(e, func(c *shadowSummary) { c.Dropped++ })
		return
	}
	if e.kind == kindWrite {
		s.writesBegun.Add(1)
	}
	if !s.offer(queue, e) {
		s.waiting.Add(-e.size())
		if e.kind == kindWrite {
			s.writesDone.Add(1)
		}
		s.drop(e, func(c *shadowSummary) { c.Dropped++ })
	}
}

// offer puts e into a queue that has room and is not closed.
func (s *shadow) offer(queue chan *exchange, e *exchange) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.ended {
		return false
	}
	select {
	case queue <- e:
		return true
	default:
		return false
	}
}

// drop counts what the secondary is not asked. A write that is not mirrored is worse than a question.
func (s *shadow) drop(e *exchange, count func(*shadowSummary)) {
	if e.kind == kindWrite {
		count = func(c *shadowSummary) { c.WritesDropped++ }
	}
	s.tally.count(count)
}

// start runs the workers until end is called and the queues are empty.
func (s *shadow) start(ctx context.Context, workers *sync.WaitGroup) {
	for range s.flags.concurrency {
		workers.Go(func() {
			for e := range s.questions {
				s.waiting.Add(-e.size())
				s.ask(ctx, e)
			}
		})
	}
	workers.Go(func() { // one, since the order of writes matters
		for e := range s.writes {
			s.waiting.Add(-e.size())
			s.mirror(ctx, e)
			s.writesDone.Add(1)
		}
	})
}

// end closes the queues. What comes later is dropped.
func (s *shadow) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ended = true
	close(s.questions)
	close(s.writes)
}

// recorder passes an answer on and keeps it, up to maxShadowAnswer bytes.
type recorder struct {
	http.ResponseWriter
	status  int
	body    []byte
	tooLong bool
	last    time.Time // when the last piece of the answer had come
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if status >= 200 {
		r.status = status
		r.last = time.Now()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.last = time.Now()
	if len(r.body)+len(p) > maxShadowAnswer {
		r.tooLong = true
	} else if !r.tooLong {
		r.body = append(r.body, p...)
	}
	return r.ResponseWriter.Write(p)
}

// The kinds of request that a shadow looks at, named as the paths of OpenFGA's API are.
const (
	kindCheck    = "check"
	kindBatch    = "batch-check"
	kindObjects  = "list-objects"
	kindStreamed = "streamed-list-objects"
	kindUsers    = "list-users"
	kindRead     = "read"
	kindExpand   = "expand"
	kindWrite    = "write"
)

// shadowKinds are the questions in the order of the summary.
var shadowKinds = []string{kindCheck, kindBatch, kindObjects, kindStreamed, kindUsers, kindRead, kindExpand}

// questionOf returns the kind and store of a request to /stores/STORE/KIND, "" for any other.
func questionOf(r *http.Request) (kind, store string) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/stores/")
	if !ok || r.Method != http.MethodPost {
		return "", ""
	}
	store, kind, _ = strings.Cut(rest, "/")
	if kind == kindWrite {
		return kind, store
	}
	for _, known := range shadowKinds {
		if kind == known {
			return kind, store
		}
	}
	return "", ""
}
