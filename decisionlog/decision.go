package decisionlog

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The results of decisions.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Listed  = "listed" // a list was answered: Count says with how many
	Failed  = "error"  // nothing was decided: Error says why
)

// Results returns all of them.
func Results() []string { return []string{Allowed, Denied, Listed, Failed} }

// Decision is what was answered to one question. Empty texts are left out of its line.
type Decision struct {
	Time time.Time
	// Took is how long the answer took.
	Took                      time.Duration
	RequestID, TraceID        string
	Principal                 string // who asked
	Method, Store, Model      string
	Object, Relation, Subject string // of a list, what is asked for is a type alone
	Contextual                int    // tuples that came with the question
	Result, Error, Reason     string
	Count                     int // of a list
	Consistency               string
	Revision                  uint64
}

// maxTextBytes bounds each text of a line. What was refused may be as long as a request.
const maxTextBytes = 1 << 10

// appendLine appends the line of a decision, with its end.
func (d *Decision) appendLine(to []byte) []byte {
	to = append(to, `{"time":"`...)
	to = d.Time.UTC().AppendFormat(to, time.RFC3339Nano)
	to = append(to, '"')
	for _, f := range [...]struct{ name, value string }{
		{"request_id", d.RequestID}, {"trace_id", d.TraceID}, {"principal", d.Principal}, {"method", d.Method},
		{"store", d.Store}, {"model", d.Model}, {"object", d.Object}, {"relation", d.Relation}, {"subject", d.Subject},
		{"result", d.Result}, {"error", d.Error}, {"reason", d.Reason}, {"consistency", d.Consistency},
	} {
		if f.value != "" {
			to = append(to, `,"`...)
			to = append(to, f.name...)
			to = append(to, `":`...)
			to = appendText(to, f.value)
		}
	}
	if d.Result == Listed {
		to = appendNumber(to, "count", int64(d.Count))
	}
	if d.Contextual > 0 {
		to = appendNumber(to, "contextual_tuples", int64(d.Contextual))
	}
	if d.Revision > 0 {
		to = appendNumber(to, "revision", int64(d.Revision))
	}
	to = appendNumber(to, "latency_us", d.Took.Microseconds())
	return append(to, '}', '\n')
}

func appendNumber(to []byte, name string, n int64) []byte {
	to = append(to, `,"`...)
	to = append(to, name...)
	to = append(to, `":`...)
	return strconv.AppendInt(to, n, 10)
}

func appendText(to []byte, text string) []byte {
	if len(text) > maxTextBytes {
		text = strings.ToValidUTF8(text[:maxTextBytes], "") + "…"
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a text has no error
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}
