package api

import (
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// plainJSON reads JSON of objects, lists and strings of printable ASCII without escapes. Every method
// returns false at anything else, and the text is then for a real decoder: what is read here it would
// read alike.
type plainJSON struct {
	data []byte
	at   int
}

func (p *plainJSON) skipSpace() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// is skips white space, and the byte c where that is next.
func (p *plainJSON) is(c byte) bool {
	p.skipSpace()
	if p.at < len(p.data) && p.data[p.at] == c {
		p.at++
		return true
	}
	return false
}

// end reports whether nothing but white space is left.
func (p *plainJSON) end() bool {
	p.skipSpace()
	return p.at == len(p.data)
}

// str reads a string.
func (p *plainJSON) str() (string, bool) {
	if !p.is('"') {
		return "", false
	}
	for i := p.at; i < len(p.data); i++ {
		if p.data[i] == '"' {
			text := string(p.data[p.at:i])
			p.at = i + 1
			return text, true
		}
		if !plainByte(p.data[i]) {
			return "", false
		}
	}
	return "", false
}

// text reads a string that is not empty into a field that is: a field that comes twice is a fault, which
// the decoder words.
func (p *plainJSON) text(into *string) bool {
	text, ok := p.str()
	if !ok || text == "" || *into != "" {
		return false
	}
	*into = text
	return true
}

// object reads an object; field reads the value of each field.
func (p *plainJSON) object(field func(name string) bool) bool {
	if !p.is('{') {
		return false
	}
	if p.is('}') {
		return true
	}
	for {
		name, ok := p.str()
		if !ok || !p.is(':') || !field(name) {
			return false
		}
		if !p.is(',') {
			return p.is('}')
		}
	}
}

// list reads a list that is not empty.
func (p *plainJSON) list(element func() bool) bool {
	if !p.is('[') {
		return false
	}
	for {
		if !element() {
			return false
		}
		if !p.is(',') {
			return p.is(']')
		}
	}
}

// key reads the key of a check.
func (p *plainJSON) key(into **openfgav1.CheckRequestTupleKey) bool {
	k := &openfgav1.CheckRequestTupleKey{}
	*into = k
	return p.object(func(name string) bool {
		switch name {
		case "user":
			return p.text(&k.User)
		case "relation":
			return p.text(&k.Relation)
		case "object":
			return p.text(&k.Object)
		}
		return false
	})
}

// consistency reads a preference by its name.
func (p *plainJSON) consistency(into *openfgav1.ConsistencyPreference) bool {
	name, ok := p.str()
	value, known := openfgav1.ConsistencyPreference_value[name]
	if !ok || !known || value == 0 || *into != 0 {
		return false
	}
	*into = openfgav1.ConsistencyPreference(value)
	return true
}
