package dsl

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names, in bytes of UTF-8. They are OpenFGA's, and those of package ostiary.
const (
	maxTypeName      = 254
	maxRelationName  = 50
	maxConditionName = 50
)

// nameFault says what is wrong with a declared name of the given kind ("type", "relation",
// "condition", "parameter"). The DSL's own lexer lets few of these faults through; JSON may hold any.
func nameFault(kind, name string, at span) (fault, bool) {
	most := maxRelationName
	if kind == "type" {
		most = maxTypeName
	}
	invalid := func(message string) (fault, bool) {
		return fault{code: codeInvalidName, at: at, message: message,
			suggestion: "a name holds no white space, no control characters and none of : # @ * , ( ) [ ] { } < >"}, true
	}
	switch {
	case name == "":
		return invalid(fmt.Sprintf("a %s has an empty name", kind))
	case !utf8.ValidString(name):
		return invalid(fmt.Sprintf("the name of the %s %s is not valid UTF-8", kind, quote(name)))
	case len(name) > most:
		return fault{code: codeNameTooLong, at: at,
			message:    fmt.Sprintf("the name of the %s %s has %d bytes", kind, quote(name), len(name)),
			suggestion: fmt.Sprintf("the name of a %s has at most %d bytes", kind, most)}, true
	case (kind == "type" || kind == "relation") && (name == "self" || name == "this"):
		return fault{code: codeReservedWord, at: at,
			message:    fmt.Sprintf("%s is reserved and cannot name a %s", quote(name), kind),
			suggestion: "choose another name; `self` and `this` are reserved in OpenFGA's modelling language"}, true
	case isOperatorWord(name):
		return operatorNameFault(kind, name, at), true
	}
	for _, r := range name {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\uFEFF' || strings.ContainsRune(":#@*,()[]{}<>", r) {
			return invalid(fmt.Sprintf("the name of the %s %s holds %s", kind, quote(name), describeRune(r)))
		}
	}
	return fault{}, false
}

func operatorNameFault(kind, name string, at span) fault {
	return fault{code: codeReservedWord, at: at,
		message:    fmt.Sprintf("%s is a word of the language and cannot name a %s", quote(name), kind),
		suggestion: "choose another name; `or`, `and`, `from` and `with` have a meaning in expressions"}
}

func isOperatorWord(name string) bool {
	return name == "or" || name == "and" || name == "from" || name == "with"
}

func describeRune(r rune) string {
	switch {
	case r == ' ':
		return "a space"
	case r == '\t':
		return "a tab"
	case unicode.IsGraphic(r) && !unicode.IsSpace(r):
		return quote(string(r))
	}
	return fmt.Sprintf("the character U+%04X", r)
}

// nearest returns the candidate that name was most likely meant to be, or nothing. Of two that are
// equally near it returns the first.
func nearest(name string, candidates []string) string {
	const most = 1000 // candidates that are compared
	best, bestDistance := "", allowedDistance(name)+1
	candidates = candidates[:min(len(candidates), most)]
	for _, candidate := range candidates {
		if d := distance(name, candidate, bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// allowedDistance is the number of typing slips that a name may hold and still be recognised.
func allowedDistance(name string) int {
	switch n := columns(name); {
	case n <= 1:
		return 0
	case n <= 4:
		return 1
	case n <= 8:
		return 2
	default:
		return 3
	}
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b of a.
// Case does not count. It gives up at bound, and returns bound: the work is letters times bound, and
// mostly ends after a few letters.
func distance(a, b string, bound int) int {
	if a == b {
		return bound // a name is no suggestion for itself
	}
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	limit := min(bound, len(y)) // at len(y) nothing of the candidate would be left
	if len(x) > 64 || len(y) > 64 || max(len(x)-len(y), len(y)-len(x)) >= limit {
		return bound
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	leastLast := 0
	for i := 1; i <= len(x); i++ {
		// What lies further from the diagonal than limit has at least that distance.
		from, to := max(1, i-limit+1), min(len(y), i+limit-1)
		row[from-1] = limit
		if from == 1 {
			row[0] = i
		}
		least := row[from-1]
		for j := from; j <= to; j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if to < len(y) {
			row[to+1] = limit
		}
		if least >= limit && leastLast+1 >= limit { // a swap goes on from the row before
			return bound
		}
		leastLast = least
		before, last, row = last, row, before
	}
	if last[len(y)] >= limit {
		return bound
	}
	return last[len(y)]
}

// didYouMean returns the suggestion and the corrected line for a name that was not found, or else
// says what there is to choose from.
func didYouMean(src *source, at span, name, kind string, candidates []string) (suggestion, fix string) {
	if near := nearest(name, candidates); near != "" && !(src.json && strings.ContainsAny(near, `"\`)) {
		text := near
		if src.json {
			text = `"` + near + `"`
		}
		return fmt.Sprintf("did you mean %s?", quote(near)), src.fix(at, text)
	}
	if len(candidates) == 0 {
		return "", ""
	}
	const most = 8
	list := slices.Clone(candidates)
	more := ""
	if len(list) > most {
		list, more = list[:most], ", …"
	}
	for i, c := range list {
		list[i] = quote(c)
	}
	return kind + ": " + strings.Join(list, ", ") + more, ""
}
