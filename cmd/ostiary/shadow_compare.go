package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// outcome is what the comparison of two answers found.
type outcome int

const (
	outcomeDiffers outcome = iota
	outcomeAgrees
	outcomeSettled // differed at first, agreed when asked again
	outcomeNotComparable
)

// compared is two answers in a form that can be compared, and what came of it.
type compared struct {
	outcome            outcome
	primary, secondary answerText
}

// answerText is what an answer says, in one form whatever the order of its parts.
type answerText struct {
	Status int     `json:"status"`
	Answer string  `json:"answer"`
	Millis float64 `json:"ms"`

	cut bool // a page or a list that goes on
}

// compare compares two answers to one question.
func (s *shadow) compare(kind string, primary, secondary rawAnswer) compared {
	c := compared{primary: s.says(kind, primary), secondary: s.says(kind, secondary)}
	switch {
	case c.primary.Status == c.secondary.Status && c.primary.Answer == c.secondary.Answer:
		c.outcome = outcomeAgrees
	case c.primary.cut || c.secondary.cut:
		c.outcome = outcomeNotComparable
	}
	return c
}

// says returns what an answer says: "allowed", a list in order, or the code of an error.
func (s *shadow) says(kind string, raw rawAnswer) answerText {
	text := answerText{Status: raw.status, Millis: millis(raw.took), cut: raw.truncated}
	if raw.status != http.StatusOK {
		var refusal struct{ Code string }
		if json.Unmarshal(raw.body, &refusal) != nil || refusal.Code == "" {
			refusal.Code = "without a code"
		}
		text.Answer = "error " + refusal.Code
		return text
	}
	say, long, err := sayings[kind](raw.body)
	if err != nil {
		text.Answer = fmt.Sprintf("not an answer to %s: %v: %.200s", kind, err, raw.body)
		return text
	}
	text.Answer = say
	text.cut = text.cut || long >= s.flags.listLimit
	return text
}

// endless is the length of a page that another follows: it is cut whatever the limit.
const endless = int(^uint(0) >> 1)

// sayings read the answers to each kind of question. The second result is the length of a list.
var sayings = map[string]func(body []byte) (string, int, error){
	kindCheck: func(body []byte) (string, int, error) {
		var answer struct{ Allowed *bool }
		if err := json.Unmarshal(body, &answer); err != nil {
			return "", 0, err
		}
		return decision(answer.Allowed), 0, nil
	},
	kindBatch: func(body []byte) (string, int, error) {
		var answer struct {
			Result map[string]struct {
				Allowed *bool
				Error   map[string]any
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return "", 0, err
		}
		said := map[string]string{}
		for id, result := range answer.Result {
			said[id] = decision(result.Allowed)
			if len(result.Error) > 0 {
				said[id] = fmt.Sprintf("error %v", firstOf(result.Error, "input_error", "internal_error"))
			}
		}
		text, err := json.Marshal(said) // keys in order
		return string(text), 0, err
	},
	kindObjects: func(body []byte) (string, int, error) {
		var answer struct{ Objects []any }
		err := json.Unmarshal(body, &answer)
		return set(answer.Objects, err)
	},
	kindStreamed: func(body []byte) (string, int, error) {
		var objects []any
		for line := range bytes.Lines(body) {
			var answer struct {
				Result struct{ Object string }
				Error  map[string]any
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			if err := json.Unmarshal(line, &answer); err != nil {
				return "", 0, err
			}
			if answer.Error != nil {
				return fmt.Sprintf("error %v", answer.Error["code"]), 0, nil
			}
			objects = append(objects, answer.Result.Object)
		}
		return set(objects, nil)
	},
	kindUsers: func(body []byte) (string, int, error) {
		var answer struct{ Users []any }
		err := json.Unmarshal(body, &answer)
		return set(answer.Users, err)
	},
	kindRead: func(body []byte) (string, int, error) {
		var answer struct {
			Tuples []struct{ Key any }
			Next   string `json:"continuation_token"`
		}
		err := json.Unmarshal(body, &answer)
		keys := make([]any, 0, len(answer.Tuples))
		for _, tuple := range answer.Tuples {
			keys = append(keys, tuple.Key)
		}
		text, n, err := set(keys, err)
		if answer.Next != "" {
			n = endless // servers order tuples differently, so their pages hold different ones
		}
		return text, n, err
	},
	kindExpand: func(body []byte) (string, int, error) {
		var answer any
		if err := json.Unmarshal(body, &answer); err != nil {
			return "", 0, err
		}
		text, err := json.Marshal(plainForm(answer))
		return string(text), 0, err
	},
}

func decision(allowed *bool) string {
	if allowed != nil && *allowed {
		return "allowed"
	}
	return "denied" // OpenFGA's JSON leaves a false out in a batch
}

// firstOf returns the first field that says something.
func firstOf(fields map[string]any, names ...string) any {
	for _, name := range names {
		if value, ok := fields[name]; ok && value != "" && value != nil && value != "no_error" && value != "no_internal_error" {
			return value
		}
	}
	return "without a code"
}

// set writes a list in an order of its own.
func set(list []any, err error) (string, int, error) {
	if err != nil {
		return "", 0, err
	}
	texts := make([]string, 0, len(list))
	for _, element := range list {
		text, err := json.Marshal(plainForm(element))
		if err != nil {
			return "", 0, err
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return "[" + strings.Join(texts, ",") + "]", len(list), nil
}

// plainForm takes away what says nothing (null, empty objects and texts), and puts sets of users into
// one order.
func plainForm(value any) any {
	switch value := value.(type) {
	case map[string]any:
		plain := map[string]any{}
		for name, inner := range value {
			inner = plainForm(inner)
			if object, ok := inner.(map[string]any); inner == nil || inner == "" || ok && len(object) == 0 {
				continue
			}
			if list, ok := inner.([]any); ok && name == "users" {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
			plain[name] = inner
		}
		return plain
	case []any:
		plain := make([]any, 0, len(value))
		for _, inner := range value {
			plain = append(plain, plainForm(inner))
		}
		return plain
	}
	return value
}

// isPaged reports whether a question goes on with a page of the primary, which the secondary's pages do
// not continue.
func isPaged(e *exchange) bool {
	if e.kind != kindRead {
		return false
	}
	var request struct {
		Token string `json:"continuation_token"`
		Alias string `json:"continuationToken"`
	}
	var wrongType *json.UnmarshalTypeError
	err := json.Unmarshal(e.body, &request)
	return (err == nil || errors.As(err, &wrongType)) && (request.Token != "" || request.Alias != "")
}
