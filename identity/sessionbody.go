package identity

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary"
)

// decodeSessionBody is decode of a session, without package json for what this package writes nearly always: a
// revocation reads every session of a person (go test ./identity -bench SessionBody).
func decodeSessionBody(d ostiary.Document) (sessionBody, error) {
	if b, ok := quickSessionBody(string(d.Body)); ok {
		return b, nil
	}
	return decode[sessionBody](d)
}

// quickSessionBody decodes an object of the fields of a session, without blanks, escapes or anything but ASCII in
// it, and nothing else.
func quickSessionBody(text string) (b sessionBody, ok bool) {
	p := quickParser{rest: text}
	for first := true; first || p.rest != "}" && !p.bad; first = false {
		if first {
			p.skip("{")
		} else {
			p.skip(",")
		}
		p.sessionField(&b)
	}
	return b, !p.bad && b.Form == bodyForm
}

// quickParser takes the beginning off a text. It is bad once that is not what was asked for.
type quickParser struct {
	rest string
	bad  bool
}

func (p *quickParser) sessionField(b *sessionBody) {
	key := p.text()
	p.skip(":")
	switch key {
	case "form":
		b.Form = int(p.number())
	case "user":
		b.User = p.text()
	case "client":
		b.Client = p.text()
	case "connection":
		b.Connection = p.text()
	case "iss":
		b.Issuer = p.text()
	case "sid":
		b.Sealed = p.bytes()
	case "link":
		b.Link = p.text()
	case "layer":
		b.Layer = p.text()
	case "acr":
		b.ACR = p.text()
	case "amr":
		b.AMR = p.texts()
	case "auth_time":
		b.AuthNanos = p.number()
	case "created":
		b.CreatedNanos = p.number()
	case "presented":
		b.PresentedNanos = p.number()
	case "expires":
		b.ExpiresNanos = p.number()
	case "limit":
		b.LimitNanos = p.number()
	case "device":
		b.Device = p.text()
	case "parent":
		b.Parent = p.text()
	case "actor":
		b.Actor = p.text()
	default:
		p.bad = true
	}
}

func (p *quickParser) skip(text string) {
	rest, ok := strings.CutPrefix(p.rest, text)
	p.rest, p.bad = rest, p.bad || !ok
}

// text takes a string.
func (p *quickParser) text() string {
	p.skip(`"`)
	for i := range len(p.rest) {
		switch c := p.rest[i]; {
		case c == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text
		case c < ' ', c == '\\', c >= 0x7f:
			p.bad = true
			return ""
		}
	}
	p.bad = true
	return ""
}

// texts takes a list of strings, one at least.
func (p *quickParser) texts() (list []string) {
	p.skip("[")
	for !p.bad {
		list = append(list, p.text())
		if rest, ok := strings.CutPrefix(p.rest, "]"); ok {
			p.rest = rest
			return list
		}
		p.skip(",")
	}
	return nil
}

func (p *quickParser) bytes() []byte {
	data, err := base64.StdEncoding.DecodeString(p.text())
	p.bad = p.bad || err != nil
	return data
}

// number takes a whole number.
func (p *quickParser) number() int64 {
	digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
	n, err := strconv.ParseInt(p.rest[:digits], 10, 64)
	p.bad = p.bad || err != nil || digits > 1 && p.rest[0] == '0'
	p.rest = p.rest[digits:]
	return n
}
