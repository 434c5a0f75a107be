package dsl

import (
	"strings"
)

// body is the text between the braces of a condition.
type body struct {
	end      int    // offset of the closing brace
	unclosed bool   // there is no closing brace, and end is -1
	comments []span // "# …" comments, which are the DSL's and not CEL's
}

// scanBody finds the brace that closes a condition whose text begins at start. Braces in strings and
// in comments do not count.
func scanBody(text string, start int) body {
	var b body
	depth := 1
	for i := start; i < len(text); {
		switch c := text[i]; {
		case c == '{':
			depth++
			i++
		case c == '}':
			if depth--; depth == 0 {
				b.end = i
				return b
			}
			i++
		case c == '"' || c == '\'':
			i = stringEnd(text, i, isRaw(text, start, i))
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			i = lineEnd(text, i)
		case c == '#':
			end := lineEnd(text, i)
			b.comments = append(b.comments, span{i, end})
			i = end
		default:
			i++
		}
	}
	b.end, b.unclosed = -1, true
	return b
}

// isRaw reports whether the quote at i opens a raw string: r"…", R"…", br"…", rb"…", in which a
// backslash stands for itself.
func isRaw(text string, start, i int) bool {
	prefix := i
	for prefix > start && i-prefix < 2 && strings.IndexByte("rRbB", text[prefix-1]) >= 0 {
		prefix--
	}
	if prefix > start && isWordByte(text[prefix-1]) {
		return false
	}
	return strings.ContainsAny(text[prefix:i], "rR")
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// stringEnd returns the offset behind the CEL string that opens at i. A string in single marks that
// is not closed ends with its line, since CEL refuses it; one in triple marks ends with the text.
func stringEnd(text string, i int, raw bool) int {
	mark := text[i : i+1]
	triple := strings.HasPrefix(text[i:], strings.Repeat(mark, 3))
	if triple {
		mark = strings.Repeat(mark, 3)
	}
	for i += len(mark); i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], mark):
			return i + len(mark)
		case !triple && (text[i] == '\n' || text[i] == '\r'):
			return i
		case text[i] == '\\' && !raw && i+1 < len(text) && text[i+1] != '\n' && text[i+1] != '\r':
			i++
		}
	}
	return len(text)
}

func lineEnd(text string, i int) int {
	if n := strings.IndexAny(text[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(text)
}

// expressionOf returns the CEL expression of a condition's body: the text without the DSL's comments
// and without white space around it. What lies between is kept as it is.
func expressionOf(text string, at span, comments []span) string {
	var b strings.Builder
	for _, kept := range keptSpans(text, at, comments) {
		b.WriteString(text[kept.start:kept.end])
	}
	return strings.TrimSpace(unixLines(b.String()))
}

// keptSpans returns the parts of a body that are not comments or the white space around them.
func keptSpans(text string, at span, comments []span) []span {
	var out []span
	from := at.start
	for _, c := range comments {
		trimmed := strings.TrimRight(text[from:c.start], " \t")
		out = append(out, span{from, from + len(trimmed)})
		from = c.end
		if trimmed == "" || strings.HasSuffix(trimmed, "\n") || strings.HasSuffix(trimmed, "\r") {
			// The comment had the line for itself: the line goes with it.
			from = skipLineBreak(text, c.end, at.end)
		}
	}
	return append(out, span{from, at.end})
}

func skipLineBreak(text string, i, end int) int {
	if i < end && text[i] == '\r' {
		i++
	}
	if i < end && text[i] == '\n' {
		i++
	}
	return i
}

// unixLines ends every line with a line feed alone.
func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}
