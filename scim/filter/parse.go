package filter

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Options bounds what is parsed. The zero value is ready for use.
type Options struct {
	// MaxBytes bounds the text. Zero means 8,192.
	MaxBytes int
	// MaxDepth bounds nested parentheses and brackets. Zero means 20.
	MaxDepth int
	// MaxTerms bounds comparisons. Zero means 250.
	MaxTerms int
	// Unquoted lets values be words without quotes: anything up to a space, a quote, a parenthesis or a
	// bracket. They are strings, unless they are JSON literals.
	Unquoted bool
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 8192
	}
	if o.MaxDepth == 0 {
		o.MaxDepth = 20
	}
	if o.MaxTerms == 0 {
		o.MaxTerms = 250
	}
	return o
}

// Error says where a filter or a path is wrong.
type Error struct {
	Offset int // in bytes
	Text   string
	Reason string
}

func (e *Error) Error() string {
	if e.Offset >= len(e.Text) {
		return e.Reason + " at the end"
	}
	return fmt.Sprintf("%s at offset %d, before %q", e.Reason, e.Offset, shorten(e.Text[e.Offset:]))
}

func shorten(s string) string {
	const limit = 40
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Parse reads a filter. The error is an *Error.
func Parse(text string, o Options) (Expr, error) {
	p := &parser{text: text, o: o.withDefaults()}
	if err := p.start(); err != nil {
		return nil, err
	}
	e, err := p.or(false)
	if err != nil {
		return nil, err
	}
	return e, p.end()
}

// ParsePath reads the path of a PATCH operation. The error is an *Error.
func ParsePath(text string, o Options) (Path, error) {
	p := &parser{text: text, o: o.withDefaults()}
	if err := p.start(); err != nil {
		return Path{}, err
	}
	attr, err := p.attrPath()
	if err != nil {
		return Path{}, err
	}
	if p.peek() != '[' {
		return Path{Attr: attr}, p.end()
	}
	within, err := p.within(attr)
	if err != nil {
		return Path{}, err
	}
	path := Path{Attr: attr, Filter: within.Filter}
	if p.peek() == '.' {
		if path.Attr.Sub, err = p.subAttr(); err != nil {
			return Path{}, err
		}
	}
	return path, p.end()
}

// ParseAttr reads the name of an attribute, as in attributes= and sortBy=. The error is an *Error.
func ParseAttr(text string) (AttrPath, error) {
	p := &parser{text: text, o: Options{}.withDefaults()}
	if err := p.start(); err != nil {
		return AttrPath{}, err
	}
	attr, err := p.attrPath()
	if err != nil {
		return AttrPath{}, err
	}
	return attr, p.end()
}

// parser descends through a text once. It looks ahead by one word at most.
type parser struct {
	text  string
	at    int
	depth int
	terms int
	o     Options
}

func (p *parser) fail(offset int, format string, args ...any) error {
	return &Error{Offset: offset, Text: p.text, Reason: fmt.Sprintf(format, args...)}
}

// start refuses texts that are too long or no text, and passes spaces.
func (p *parser) start() error {
	if len(p.text) > p.o.MaxBytes {
		return &Error{Text: shorten(p.text), Reason: fmt.Sprintf("%d bytes are more than the %d that are read",
			len(p.text), p.o.MaxBytes)}
	}
	if !utf8.ValidString(p.text) {
		return &Error{Text: "", Reason: "the text is not UTF-8"}
	}
	p.spaces()
	return nil
}

// end passes spaces and refuses what is left.
func (p *parser) end() error {
	p.spaces()
	if p.at < len(p.text) {
		return p.fail(p.at, "unexpected text")
	}
	return nil
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) spaces() bool {
	from := p.at
	for p.peek() == ' ' {
		p.at++
	}
	return p.at > from
}

// word returns the letters that come next, without passing them.
func (p *parser) word() string {
	end := p.at
	for end < len(p.text) && isLetter(p.text[end]) {
		end++
	}
	return p.text[p.at:end]
}

// or reads terms joined by "or". Within brackets there are no further brackets.
func (p *parser) or(bracket bool) (Expr, error) {
	terms, err := p.joined("or", bracket, p.and)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	var flat []Expr
	for _, t := range terms {
		if inner, ok := t.(Or); ok {
			flat = append(flat, inner.Terms...)
		} else {
			flat = append(flat, t)
		}
	}
	return Or{flat}, nil
}

func (p *parser) and(bracket bool) (Expr, error) {
	terms, err := p.joined("and", bracket, p.term)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return And{flattenAnd(terms)}, nil
}

func flattenAnd(terms []Expr) []Expr {
	var flat []Expr
	for _, t := range terms {
		if inner, ok := t.(And); ok {
			flat = append(flat, inner.Terms...)
		} else {
			flat = append(flat, t)
		}
	}
	return flat
}

func first(terms []Expr) Expr {
	if len(terms) == 0 {
		return nil
	}
	return terms[0]
}

// joined reads one or more operands with a word between them.
func (p *parser) joined(word string, bracket bool, operand func(bool) (Expr, error)) ([]Expr, error) {
	var terms []Expr
	for {
		e, err := operand(bracket)
		if err != nil {
			return nil, err
		}
		terms = append(terms, e)
		before := p.at
		if !p.spaces() && !closes(p.text[:p.at]) || !strings.EqualFold(p.word(), word) {
			p.at = before
			return terms, nil
		}
		p.at += len(word)
		if !p.spaces() && p.peek() != '(' {
			return nil, p.fail(p.at, "%q needs a space after it", word)
		}
	}
}

// closes reports whether a text ends so that a word may follow without a space: `(a pr)and b pr`.
func closes(text string) bool {
	return text != "" && (text[len(text)-1] == ')' || text[len(text)-1] == ']')
}

// term reads a comparison, a value filter, a negation, or a filter in parentheses.
func (p *parser) term(bracket bool) (Expr, error) {
	p.spaces()
	if p.peek() == '(' {
		return p.parentheses(bracket)
	}
	if strings.EqualFold(p.word(), "not") {
		before := p.at
		p.at += len("not")
		p.spaces()
		if p.peek() == '(' {
			e, err := p.parentheses(bracket)
			return Not{e}, err
		}
		p.at = before // an attribute that is called "not"
	}
	attr, err := p.attrPath()
	if err != nil {
		return nil, err
	}
	if p.peek() != '[' {
		return p.comparison(attr)
	}
	if bracket {
		return nil, p.fail(p.at, "a value filter may not hold another")
	}
	return p.valueFilter(attr)
}

func (p *parser) enter() error {
	if p.depth++; p.depth > p.o.MaxDepth {
		return p.fail(p.at, "parentheses and brackets nest deeper than %d", p.o.MaxDepth)
	}
	p.at++
	p.spaces()
	return nil
}

func (p *parser) leave(closing byte) error {
	p.spaces()
	if p.peek() != closing {
		return p.fail(p.at, "expected %q", closing)
	}
	p.at++
	p.depth--
	return nil
}

func (p *parser) parentheses(bracket bool) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	e, err := p.or(bracket)
	if err != nil {
		return nil, err
	}
	return e, p.leave(')')
}

// within reads "[filter]" after the attribute that it belongs to.
func (p *parser) within(attr AttrPath) (Within, error) {
	if attr.Sub != "" {
		return Within{}, p.fail(p.at, "a sub-attribute has no values to choose from")
	}
	if err := p.enter(); err != nil {
		return Within{}, err
	}
	e, err := p.or(true)
	if err != nil {
		return Within{}, err
	}
	return Within{Path: attr, Filter: e}, p.leave(']')
}

// valueFilter reads "[filter]" and what Entra writes after it: `emails[type eq "work"].value eq "a@b"`
// asks for one value that satisfies both.
func (p *parser) valueFilter(attr AttrPath) (Expr, error) {
	within, err := p.within(attr)
	if err != nil || p.peek() != '.' {
		return within, err
	}
	sub, err := p.subAttr()
	if err != nil {
		return nil, err
	}
	compare, err := p.comparison(AttrPath{Name: sub})
	if err != nil {
		return nil, err
	}
	within.Filter = And{flattenAnd([]Expr{within.Filter, compare})}
	return within, nil
}

// comparison reads what follows an attribute: "pr", or an operator and a value.
func (p *parser) comparison(attr AttrPath) (Expr, error) {
	if p.terms++; p.terms > p.o.MaxTerms {
		return nil, p.fail(p.at, "more than %d comparisons", p.o.MaxTerms)
	}
	if !p.spaces() {
		return nil, p.fail(p.at, "expected a space and an operator")
	}
	from := p.at
	name := p.word()
	op, known := opOf(name)
	if !known {
		return nil, p.fail(from, "expected one of %s", strings.Join(opNames[:], ", "))
	}
	p.at += len(name)
	if op == Present {
		return Compare{Path: attr, Op: op}, nil
	}
	if !p.spaces() && p.peek() != '"' {
		return nil, p.fail(p.at, "expected a space and a value")
	}
	value, err := p.value()
	return Compare{Path: attr, Op: op, Value: value}, err
}

// value reads a JSON literal, or a word where the options allow it.
func (p *parser) value() (Value, error) {
	from := p.at
	if p.peek() == '"' {
		return p.quoted()
	}
	for p.at < len(p.text) && !strings.ContainsRune(` "()[]`, rune(p.text[p.at])) {
		p.at++
	}
	switch word := p.text[from:p.at]; {
	case word == "":
		return Value{}, p.fail(from, "expected a value")
	case word == "null":
		return Value{Kind: Null}, nil
	case word == "true" || word == "false":
		return Value{Kind: Bool, Text: word}, nil
	case isNumber(word):
		return Value{Kind: Number, Text: word}, nil
	case p.o.Unquoted:
		return Value{Kind: String, Text: word}, nil
	default:
		return Value{}, p.fail(from, "a value is true, false, null, a number, or a string in double quotes")
	}
}

func isNumber(word string) bool {
	if word[0] != '-' && !isDigit(word[0]) {
		return false
	}
	var n json.Number
	return json.Unmarshal([]byte(word), &n) == nil
}

func (p *parser) quoted() (Value, error) {
	from := p.at
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			p.at++
		}
	}
	if p.at >= len(p.text) {
		p.at = len(p.text)
		return Value{}, p.fail(from, "a string is not closed")
	}
	p.at++
	v := Value{Kind: String}
	if err := json.Unmarshal([]byte(p.text[from:p.at]), &v.Text); err != nil {
		return Value{}, p.fail(from, "a string is not JSON")
	}
	return v, nil
}

// attrPath reads [URI:]name[.name]. The last colon ends the URI, whose own dots do not count.
func (p *parser) attrPath() (AttrPath, error) {
	from := p.at
	for p.at < len(p.text) && isPathByte(p.text[p.at]) {
		p.at++
	}
	text := p.text[from:p.at]
	var path AttrPath
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		path.URI, text = text[:colon], text[colon+1:]
		if !isURI(path.URI) {
			return AttrPath{}, p.fail(from, "%q is not the URN of a schema", shorten(path.URI))
		}
	}
	var dotted bool
	path.Name, path.Sub, dotted = strings.Cut(text, ".")
	if !isName(path.Name) || dotted && !isName(path.Sub) {
		return AttrPath{}, p.fail(from, "expected the name of an attribute")
	}
	return path, nil
}

func (p *parser) subAttr() (string, error) {
	p.at++ // the dot
	attr, err := p.attrPath()
	if err == nil && (attr.URI != "" || attr.Sub != "") {
		err = p.fail(p.at, "expected the name of a sub-attribute alone")
	}
	return attr.Name, err
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

func isPathByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '_' || c == '$' || c == '.' || c == ':'
}

// isName reports whether s is an ATTRNAME. "$ref" begins with a dollar, against the letter of the
// grammar and with RFC 7643, section 2.4.
func isName(s string) bool {
	s = strings.TrimPrefix(s, "$")
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isURI(s string) bool {
	return len(s) > 4 && strings.EqualFold(s[:4], "urn:") && s[len(s)-1] != ':'
}
