package dsl

import (
	"bytes"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl/model"
)

func addSeeds(f *testing.F, patterns ...string) {
	for _, pattern := range patterns {
		for _, path := range files(f, pattern) {
			f.Add(readFile(f, path))
		}
	}
}

// checkOutcome checks that a compiler gave a model or diagnostics, and not both.
func checkOutcome(t rapid.TB, text []byte, m *model.Model, err error) {
	t.Helper()
	if err == nil {
		if m == nil {
			t.Fatal("neither a model nor an error")
		}
		return
	}
	var ds Diagnostics
	if m != nil || !errors.As(err, &ds) {
		t.Fatalf("model %v with error %v", m, err)
	}
	checkDiagnostics(t, text, ds)
	_ = ds.Error()
}

// Compile never panics, and what it accepts survives every way from one form to another.
func FuzzCompile(f *testing.F) {
	addSeeds(f, "valid/*.fga", "errors/*.fga")
	f.Fuzz(func(t *testing.T, text []byte) { tryCompile(t, text) })
}

func tryCompile(t rapid.TB, text []byte) {
	t.Helper()
	m, err := Compile("fuzz", text)
	checkOutcome(t, text, m, err)
	if err == nil {
		roundTrip(t, text)
	}
}

// Format never panics, its output is a fixed point, and it keeps both model and diagnostics' codes.
func FuzzFormat(f *testing.F) {
	addSeeds(f, "valid/*.fga", "errors/*.fga")
	f.Fuzz(func(t *testing.T, text []byte) { tryFormat(t, text) })
}

func tryFormat(t rapid.TB, text []byte) {
	t.Helper()
	formatted, err := Format("fuzz", text)
	if err != nil {
		checkOutcome(t, text, nil, err)
		return
	}
	if len(formatted) > MaxModelBytes {
		return // formatting adds spaces, and the limit holds of the text
	}
	again, err := Format("fuzz", formatted)
	if err != nil || !bytes.Equal(again, formatted) {
		t.Fatalf("formatting twice (%v) gives\n%s\nafter\n%s", err, again, formatted)
	}
	before, errBefore := Compile("fuzz", text)
	after, errAfter := Compile("fuzz", formatted)
	if (errBefore == nil) != (errAfter == nil) || !reflect.DeepEqual(before, after) {
		t.Fatalf("before: %v, after: %v\n%s\nformatted:\n%s", errBefore, errAfter, text, formatted)
	}
	if bytes.Count(text, []byte("#")) != bytes.Count(formatted, []byte("#")) {
		t.Fatalf("a comment was lost:\n%s\nformatted:\n%s", text, formatted)
	}
}

// Texts with a few words deleted, repeated or swapped are nearer to what people get wrong than texts
// with random bytes.
func TestEditedTexts(t *testing.T) {
	var seeds [][]string
	words := regexp.MustCompile(`[\w\x80-\xff]+|[ \t]+|.|\n`)
	for _, pattern := range []string{"valid/*.fga", "errors/*.fga"} {
		for _, path := range files(t, pattern) {
			seeds = append(seeds, words.FindAllString(string(readFile(t, path)), -1))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := slices.Clone(rapid.SampledFrom(seeds).Draw(t, "seed"))
		for range rapid.IntRange(1, 4).Draw(t, "edits") {
			if len(text) < 2 {
				break
			}
			i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			j := rapid.IntRange(0, len(text)-1).Draw(t, "other")
			switch rapid.IntRange(0, 3).Draw(t, "edit") {
			case 0:
				text = slices.Delete(text, i, i+1)
			case 1:
				text[i], text[j] = text[j], text[i]
			case 2:
				text = slices.Insert(text, i, text[j])
			case 3:
				text[i] = rapid.SampledFrom([]string{"[", "]", "(", ")", "{", "}", "<", "#", ":*", "\n", " # c\n", "or", "type", "\r", "'", "\""}).Draw(t, "word")
			}
		}
		tryCompile(t, []byte(strings.Join(text, "")))
		tryFormat(t, []byte(strings.Join(text, "")))
	})
}

// CompileJSON never panics, and what it accepts is written as JSON and read again unchanged. Its text
// in the DSL compiles to the same model, unless Compile finds a likely mistake in it.
func FuzzCompileJSON(f *testing.F) {
	addSeeds(f, "valid/*.json", "errors/*.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := CompileJSON("fuzz", data)
		checkOutcome(t, data, m, err)
		if err != nil {
			return
		}
		sameJSON(t, m)
		printed := Print(m)
		again, err := Compile("printed", printed)
		if err == nil && !reflect.DeepEqual(again, withoutOrigins(m)) {
			t.Fatalf("printed and compiled, the model is another:\n%s", printed)
		}
		for _, code := range codesOf(err) {
			switch code {
			case codeUnusedCondition, codeDuplicateRestriction, codeDuplicateOperand, codeDuplicateList, codeTooLarge, codeTooManyErrors:
			default:
				t.Fatalf("the printed model does not compile:\n%v\n%s", err, printed)
			}
		}
	})
}

func codesOf(err error) []string {
	var ds Diagnostics
	errors.As(err, &ds)
	out := make([]string, 0, len(ds))
	for _, d := range ds {
		out = append(out, d.Code)
	}
	return out
}
