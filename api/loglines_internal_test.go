package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/tracing"
	"github.com/ostiary/ostiary/tracing/tracetest"
)

// logged keeps the lines of a log.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// lines returns those of a text.
func (l *logged) lines(t *testing.T, text string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for lines := json.NewDecoder(bytes.NewReader(l.all.Bytes())); lines.More(); {
		line := map[string]any{}
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == text {
			found = append(found, line)
		}
	}
	return found
}

// TestLinesOfErrorsAreBounded: of the errors of requests so many a second are written, and lines say how many were not.
func TestLinesOfErrorsAreBounded(t *testing.T) {
	const failed = 1000
	var log logged
	s := &Server{logger: slog.New(slog.NewJSONHandler(&log, nil))}
	begun := time.Now()
	for range failed {
		s.report(t.Context(), &call{}, "/ostiary.v1.OstiaryService/Explain", errors.New("no such file"))
	}
	most := maxLogLines * (1 + int(time.Since(begun)/time.Second))
	s.failures.tell(s.logger, textFailed)
	written := len(log.lines(t, "request failed"))
	if written == 0 || written > most {
		t.Errorf("%d lines are written, of which %d may be", written, most)
	}
	leftOut := 0
	for end := time.Now().Add(30 * time.Second); leftOut != failed-written; time.Sleep(time.Millisecond) { // a timer may tell too
		if time.Now().After(end) {
			t.Fatalf("%d lines are written, and %d said to be left out, of %d", written, leftOut, failed)
		}
		leftOut = 0
		for _, line := range log.lines(t, "lines left out of the log") {
			leftOut += int(line["count"].(float64))
		}
	}
}

// TestLogLinesAfterAPause: a second later as many lines may be written again, and what was left out is told once.
func TestLogLinesAfterAPause(t *testing.T) {
	var log logged
	var l logLines
	logger, now := slog.New(slog.NewJSONHandler(&log, nil)), time.Now()
	for second := range 3 {
		passed := 0
		for range 2 * maxLogLines {
			if l.may(now.Add(time.Duration(second)*time.Second), func() {}) {
				passed++
			}
		}
		if passed != maxLogLines {
			t.Errorf("second %d: %d lines pass", second, passed)
		}
	}
	for range 2 {
		l.tell(logger, "x")
	}
	if told := log.lines(t, "lines left out of the log"); len(told) != 1 || told[0]["count"] != float64(3*maxLogLines) || told[0]["of"] != "x" {
		t.Errorf("told: %v", told)
	}
}

// TestSlowRequestsAreLogged: a request that takes as long as is said is logged with what finds it again; others, and
// streams that last as long as their callers like, are not.
func TestSlowRequestsAreLogged(t *testing.T) {
	collector := tracetest.Start(t)
	tracer, err := tracing.New(tracing.Options{Endpoint: collector.Address})
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	const check, follow = "/openfga.v1.OpenFGAService/Check", "/ostiary.v1.AuditService/TailAudit"
	for _, c := range []struct {
		slowerThan, took time.Duration
		method           string
		want             int
	}{{0, time.Hour, check, 0}, {time.Minute, time.Second, check, 0}, {time.Minute, time.Hour, check, 1}, {time.Minute, time.Hour, follow, 0}} {
		var log logged
		s := &Server{logger: slog.New(slog.NewJSONHandler(&log, nil)), slowerThan: c.slowerThan}
		asked := &call{requestID: "r-1", storeID: "s-1",
			span: tracer.Request("r", time.Now(), []string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, nil)}
		s.answered(asked, c.method, time.Now().Add(-c.took), s.report(t.Context(), asked, c.method, errNeedsCertificate))
		lines := log.lines(t, "slow request")
		if len(lines) != c.want {
			t.Errorf("%+v: %v", c, lines)
		}
		for _, line := range lines {
			for key, want := range map[string]string{"request_id": "r-1", "store": "s-1", "method": check, "code": "unauthenticated", "trace_id": "0af7651916cd43dd8448eb211c80319c"} {
				if line[key] != want {
					t.Errorf("%s is %v, want %s", key, line[key], want)
				}
			}
			if took, ok := line["duration"].(float64); !ok || time.Duration(took) < time.Hour {
				t.Errorf("duration is %v", line["duration"])
			}
		}
	}
}
