package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// shadowSummary is what a shadow has seen; it is the JSON answer.
type shadowSummary struct {
	Compared       int64             `json:"compared"`
	Agreed         int64             `json:"agreed"`
	Differed       int64             `json:"differed"`
	Settled        int64             `json:"settled"` // differed, and agreed when asked again
	NotComparable  int64             `json:"not_comparable"`
	Failed         int64             `json:"failed"`    // the secondary gave no answer
	Forwarded      int64             `json:"forwarded"` // not a question
	NotMirrored    int64             `json:"not_mirrored"`
	Unsampled      int64             `json:"unsampled"`
	Dropped        int64             `json:"dropped"` // questions that found the queue full
	TooLarge       int64             `json:"too_large"`
	Unmapped       int64             `json:"unmapped"` // a store or model that --ids does not know
	Refused        int64             `json:"refused"`  // by the primary, and so not asked
	PrimaryFailed  int64             `json:"primary_failed"`
	WritesMirrored int64             `json:"writes_mirrored"`
	WritesRefused  int64             `json:"writes_refused"` // by the secondary
	WritesDropped  int64             `json:"writes_dropped"`
	LastFailure    string            `json:"last_failure,omitempty"` // of the secondary
	Questions      []questionSummary `json:"questions"`
}

type questionSummary struct {
	Kind          string  `json:"kind"`
	Agreed        int64   `json:"agreed"`
	Differed      int64   `json:"differed"`
	Settled       int64   `json:"settled"`
	NotComparable int64   `json:"not_comparable"`
	Failed        int64   `json:"failed"`
	Primary       latency `json:"primary"`
	Secondary     latency `json:"secondary"`
}

// latency is how long answers took, in milliseconds.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

func (l latency) text() string { return fmt.Sprintf("%.2f %.2f %.2f", l.P50, l.P95, l.P99) }

// line says in one line how it stands.
func (s shadowSummary) line() string {
	text := fmt.Sprintf("%s compared: %s agree, %s differ, %s settled, %s not comparable, %s failed; %s dropped",
		thousands(s.Compared), thousands(s.Agreed), thousands(s.Differed), thousands(s.Settled), thousands(s.NotComparable),
		thousands(s.Failed), thousands(s.Dropped))
	if s.WritesMirrored+s.WritesRefused+s.WritesDropped > 0 {
		text += fmt.Sprintf("; writes: %s mirrored, %s refused, %s dropped", thousands(s.WritesMirrored), thousands(s.WritesRefused), thousands(s.WritesDropped))
	}
	for _, q := range s.Questions {
		if q.Kind == kindCheck {
			text += fmt.Sprintf("; check p50 p95 p99 %s ms, secondary %s ms", q.Primary.text(), q.Secondary.text())
		}
	}
	if s.LastFailure != "" {
		text += "; the secondary last failed with: " + s.LastFailure
	}
	return text
}

// notes are the counts that are worth a word.
func (s shadowSummary) notes() []string {
	notes := []string{"compared: " + thousands(s.Compared)}
	for _, note := range []struct {
		n    int64
		text string
	}{
		{s.Forwarded, "other requests forwarded"}, {s.NotMirrored, "of them changes that were not mirrored"},
		{s.Unsampled, "questions not sampled"}, {s.Dropped, "questions dropped, since the secondary did not keep up"},
		{s.TooLarge, "questions or answers too large to compare"}, {s.Unmapped, "requests with a store or model that --ids does not know"},
		{s.Refused, "requests that the primary refused or failed"}, {s.PrimaryFailed, "of them without an answer of the primary"},
		{s.WritesMirrored, "writes mirrored"}, {s.WritesRefused, "writes refused by the secondary"}, {s.WritesDropped, "writes NOT mirrored"},
	} {
		if note.n > 0 {
			notes = append(notes, note.text+": "+thousands(note.n))
		}
	}
	return notes
}

// shadowTally counts. Safe for concurrent use.
type shadowTally struct {
	log io.Writer // of the differences; nil keeps none. Set before the first request.

	mu      sync.Mutex // guards what follows, and writes to log
	sum     shadowSummary
	kinds   map[string]*questionSummary
	primary map[string]*histogram
	second  map[string]*histogram
}

func newShadowTally() *shadowTally {
	t := &shadowTally{kinds: map[string]*questionSummary{}, primary: map[string]*histogram{}, second: map[string]*histogram{}}
	for _, kind := range shadowKinds {
		t.kinds[kind] = &questionSummary{Kind: kind}
		t.primary[kind], t.second[kind] = &histogram{}, &histogram{}
	}
	return t
}

func (t *shadowTally) count(f func(*shadowSummary)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.sum)
}

// judge counts the outcome of a comparison.
func (t *shadowTally) judge(e *exchange, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := t.kinds[e.kind]
	t.sum.Compared++
	switch o {
	case outcomeAgrees:
		t.sum.Agreed++
		kind.Agreed++
	case outcomeSettled:
		t.sum.Settled++
		kind.Settled++
	case outcomeNotComparable:
		t.sum.Compared--
		t.sum.NotComparable++
		kind.NotComparable++
	default:
		t.sum.Differed++
		kind.Differed++
	}
}

// failed counts a question that the secondary did not answer.
func (t *shadowTally) failed(e *exchange, answer rawAnswer, err error) {
	text := fmt.Sprintf("status %d: %.200s", answer.status, answer.body)
	if err != nil {
		text = err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Failed++
	t.kinds[e.kind].Failed++
	t.sum.LastFailure = text
}

func (t *shadowTally) latency(kind string, primary, secondary time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.primary[kind].add(primary)
	t.second[kind].add(secondary)
}

// difference writes a line of the log.
func (t *shadowTally) difference(e *exchange, c compared) {
	if t.log == nil {
		return
	}
	request := json.RawMessage(e.body)
	if !json.Valid(request) {
		request, _ = json.Marshal(string(e.body)) // a string always has a JSON form
	}
	line, err := json.Marshal(struct {
		Time      time.Time       `json:"time"`
		Kind      string          `json:"kind"`
		Store     string          `json:"store"`
		Request   json.RawMessage `json:"request"`
		Primary   answerText      `json:"primary"`
		Secondary answerText      `json:"secondary"`
	}{e.at.UTC(), e.kind, e.store, request, c.primary, c.secondary})
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		_, err = t.log.Write(append(line, '\n'))
	}
	if err != nil {
		t.sum.LastFailure = "write the log of differences: " + err.Error()
	}
}

// summary returns the counts so far, with the questions that were asked.
func (t *shadowTally) summary() shadowSummary {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.sum
	sum.Questions = []questionSummary{}
	for _, kind := range shadowKinds {
		q := *t.kinds[kind]
		if q.Agreed+q.Differed+q.Settled+q.NotComparable+q.Failed == 0 {
			continue
		}
		q.Primary, q.Secondary = t.primary[kind].latency(), t.second[kind].latency()
		sum.Questions = append(sum.Questions, q)
	}
	return sum
}

// histogram counts durations in classes that each end 5 % above the one before, from a microsecond up.
type histogram struct {
	classes [512]int64
	n       int64
}

const histogramGrowth = 1.05

func (h *histogram) add(d time.Duration) {
	class := 0
	if d > time.Microsecond {
		class = int(math.Ceil(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(histogramGrowth)))
	}
	h.classes[min(class, len(h.classes)-1)]++
	h.n++
}

// quantile returns the end of the class that holds the share q of the durations, in milliseconds.
func (h *histogram) quantile(q float64) float64 {
	rank, seen := int64(math.Ceil(q*float64(h.n))), int64(0)
	for class, n := range h.classes {
		if seen += n; seen >= rank && n > 0 {
			return math.Round(math.Pow(histogramGrowth, float64(class))) / 1000
		}
	}
	return 0
}

func (h *histogram) latency() latency {
	return latency{P50: h.quantile(0.50), P95: h.quantile(0.95), P99: h.quantile(0.99)}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
