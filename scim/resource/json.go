package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// The bounds of a JSON text. Its length is bounded by whoever reads it.
const (
	maxJSONDepth  = 12
	maxJSONFields = 200 // of one object
)

// Object is a JSON object whose fields are in the order of the text. No two have the same name when
// case is set aside, as SCIM does.
type Object struct{ Fields []Field }

// Field is a name with a value: nil, bool, json.Number, string, []any or *Object.
type Field struct {
	Name  string
	Value any
}

// Get returns the value of a field by its name in any case, nil when it is absent.
func (o *Object) Get(name string) any {
	value, _ := o.Lookup(name)
	return value
}

// Lookup returns the value of a field by its name in any case, and whether the field is there.
func (o *Object) Lookup(name string) (value any, there bool) {
	for _, f := range o.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return nil, false
}

// ParseObject reads a JSON text that is one object. The error is 400 invalidSyntax.
func ParseObject(data []byte) (*Object, error) {
	if !utf8.Valid(data) {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the body is not UTF-8")
	}
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))}
	r.dec.UseNumber()
	v, err := r.value(0)
	if err == nil {
		_, err = r.dec.Token()
		if errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("text follows the JSON value")
		}
	}
	var refused *scimerr.Error
	if errors.As(err, &refused) {
		return nil, refused
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the text ends too early")
		}
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the body is not JSON at offset %d: %v", r.dec.InputOffset(), err)
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the body is not a JSON object")
	}
	return o, nil
}

type jsonReader struct{ dec *json.Decoder }

func (r *jsonReader) value(depth int) (any, error) {
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxJSONDepth {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the body nests deeper than %d", maxJSONDepth)
	}
	switch token {
	case json.Delim('{'):
		return r.object(depth)
	case json.Delim('['):
		return r.array(depth)
	default:
		return token, nil
	}
}

func (r *jsonReader) object(depth int) (*Object, error) {
	o := &Object{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder lets nothing else be a name
		if _, twice := o.Lookup(name); twice {
			return nil, scimerr.Bad(scimerr.InvalidSyntax, "%q is there twice, or in two cases", clip(name))
		}
		if len(o.Fields) >= maxJSONFields {
			return nil, scimerr.Bad(scimerr.InvalidSyntax, "an object has more than %d fields", maxJSONFields)
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Fields = append(o.Fields, Field{name, v})
	}
	_, err := r.dec.Token()
	return o, err
}

func (r *jsonReader) array(depth int) ([]any, error) {
	list := []any{}
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.dec.Token()
	return list, err
}

// clip shortens what a client sent, for a message.
func clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
