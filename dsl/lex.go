package dsl

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/antlr4-go/antlr/v4"

	"github.com/ostiary/ostiary/dsl/gen"
)

// word is a token with its place in the source, in bytes.
type word struct {
	kind int // gen.ModelLexer…, or antlr.TokenEOF
	at   span
	body body // of a BODY
}

// scanner makes words of a source. It does what the lexer's grammar cannot, since it has to look
// around: it leaves out line ends inside brackets and takes the body of a condition as one word.
type scanner struct {
	src    *source
	report *report
	lexer  *gen.ModelLexer
	bytes  []int // byte offset of each rune behind src.base, nil when every rune is one byte

	words    []word
	comments []span
	open     []int // indexes in words of the brackets that are open
	// condition is set while the words of a condition's head are read, up to its opening brace.
	condition bool
	line      int // index in words of the first word of the statement
	unclosed  int // conditions without a closing brace
}

// scan returns the words of the source, each statement closed by a NEWLINE, EOF last. It reports
// false when the text nests too deeply to be parsed.
func scan(src *source, r *report) (words []word, comments []span, ok bool) {
	s := &scanner{src: src, report: r, bytes: runeOffsets(src.text[src.base:])}
	s.lexer = gen.NewModelLexer(antlr.NewInputStream(src.text[src.base:]))
	s.lexer.RemoveErrorListeners()
	for {
		token := s.lexer.NextToken()
		if token.GetTokenType() == antlr.TokenEOF {
			break
		}
		s.take(token.GetTokenType(), span{s.offset(token.GetStart()), s.offset(token.GetStop() + 1)})
		if s.unclosed > MaxDiagnostics { // each costs a search through the rest of the text
			break
		}
		if s.tooDeep() {
			r.add(fault{code: codeTooDeep, at: s.words[len(s.words)-1].at,
				message:    fmt.Sprintf("brackets nest deeper than %d levels", MaxDepth),
				suggestion: "give the inner part a relation of its own (MaxDepth)"})
			return nil, nil, false
		}
	}
	end := span{len(src.text), len(src.text)}
	if n := len(s.words); n > 0 && s.words[n-1].kind != gen.ModelLexerNEWLINE {
		s.words = append(s.words, word{kind: gen.ModelLexerNEWLINE, at: end})
	}
	s.words = append(s.words, word{kind: antlr.TokenEOF, at: end})
	return s.words, s.comments, true
}

// tooDeep reports whether the parser would have to go deeper than MaxDepth. The brackets around type
// restrictions, or around parameters, are one level more.
func (s *scanner) tooDeep() bool {
	last := len(s.words) - 1
	return len(s.open) > MaxDepth+1 || len(s.open) > MaxDepth && s.words[last].kind == gen.ModelLexerLPAREN
}

// runeOffsets returns the byte offset of every rune and of the end, or nil for a text of ASCII.
func runeOffsets(text string) []int {
	if utf8.RuneCountInString(text) == len(text) {
		return nil
	}
	offsets := make([]int, 0, len(text)+1)
	for i := range text {
		offsets = append(offsets, i)
	}
	return append(offsets, len(text))
}

func (s *scanner) offset(rune int) int {
	if s.bytes == nil {
		return s.src.base + rune
	}
	return s.src.base + s.bytes[rune]
}

// seek lets the lexer go on at a byte offset.
func (s *scanner) seek(offset int) {
	offset -= s.src.base
	if s.bytes != nil {
		offset = sort.SearchInts(s.bytes, offset)
	}
	s.lexer.GetInputStream().Seek(offset)
}

func (s *scanner) take(kind int, at span) {
	switch kind {
	case gen.ModelLexerCOMMENT:
		s.comments = append(s.comments, at)
		return
	case gen.ModelLexerNEWLINE:
		if s.goesOn(at) {
			return
		}
		s.open, s.condition = s.open[:0], false
		s.words = append(s.words, word{kind: kind, at: at})
		s.line = len(s.words)
		return
	case gen.ModelLexerLBRACK, gen.ModelLexerLPAREN, gen.ModelLexerLANGLE:
		s.open = append(s.open, len(s.words))
	case gen.ModelLexerRBRACK, gen.ModelLexerRPAREN, gen.ModelLexerRANGLE:
		if n := len(s.open); n > 0 {
			s.open = s.open[:n-1]
		}
	case gen.ModelLexerCONDITION:
		s.condition = s.condition || len(s.words) == s.line
	}
	s.words = append(s.words, word{kind: kind, at: at})
	if kind == gen.ModelLexerLBRACE && s.condition && len(s.open) == 0 {
		s.takeBody(at)
	}
}

// goesOn reports whether a statement goes on behind a line end: inside brackets, or before the
// opening brace of a condition.
func (s *scanner) goesOn(newline span) bool {
	if len(s.open) > 0 {
		return !startsStatement(s.src.text[newline.end:])
	}
	if !s.condition {
		return false
	}
	rest := s.src.text[newline.end:]
	brace := strings.TrimLeft(rest, " \t\r\n")
	if !strings.HasPrefix(brace, "{") {
		return false
	}
	s.seek(newline.end + len(rest) - len(brace))
	return true
}

// startsStatement reports whether a line can only be a new statement, whatever is still open above
// it: a keyword and a name side by side.
func startsStatement(line string) bool {
	keyword, rest := cutWord(line)
	switch keyword {
	case "relations":
		next, _ := cutWord(strings.TrimLeft(rest, "\r\n\t "))
		return next == "define"
	case "type", "define", "module", "schema", "condition", "extend":
		next, _ := cutWord(rest)
		return next != "" && !isOperatorWord(next) && next != "but"
	}
	return false
}

// cutWord returns the first word of a line and what follows it.
func cutWord(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t")
	end := strings.IndexAny(line, " \t\r\n:#@,()[]{}<>*")
	if end < 0 {
		return line, ""
	}
	return line[:end], line[end:]
}

// takeBody takes the text between a condition's braces as one word. A condition that is not closed
// ends where the next declaration begins, so that what follows is still judged.
func (s *scanner) takeBody(brace span) {
	s.condition = false
	b := scanBody(s.src.text, brace.end)
	if b.unclosed {
		s.unclosed++
		s.report.add(fault{code: codeUnclosedCondition, at: brace,
			message:    "the condition that opens here is not closed",
			suggestion: "end it with `}` on a line of its own"})
		b.end = nextDeclaration(s.src, brace.end)
		b.comments = nil
	}
	s.words = append(s.words, word{kind: gen.ModelLexerBODY, at: span{brace.end, b.end}, body: b})
	if b.unclosed {
		s.words = append(s.words, word{kind: gen.ModelLexerRBRACE, at: span{b.end, b.end}},
			word{kind: gen.ModelLexerNEWLINE, at: span{b.end, b.end}})
		s.line = len(s.words)
	}
	s.seek(b.end)
}

// nextDeclaration returns where the first line behind offset begins that can only be a declaration
// at the top of a model, or the end of the text.
func nextDeclaration(src *source, offset int) int {
	for _, start := range src.lines[src.lineOf(offset)+1:] {
		rest := src.text[start:]
		keyword, _ := cutWord(rest)
		if (keyword == "type" || keyword == "condition" || keyword == "extend") && startsStatement(rest) {
			return start
		}
	}
	return len(src.text)
}

// tokens serves the words of a source to the parser. It is a Lexer because ANTLR's token stream asks
// for one.
type tokens struct {
	*gen.ModelLexer
	words []word
	next  int
}

// NextToken overrides the lexer's. Tokens carry the index of their word as line, since words know
// their place better than ANTLR does.
func (t *tokens) NextToken() antlr.Token {
	index := min(t.next, len(t.words)-1)
	t.next++
	w := t.words[index]
	return t.GetTokenFactory().Create(t.GetTokenSourceCharStreamPair(), w.kind, "", antlr.TokenDefaultChannel, -1, -1, index, 0)
}
