package resource

import (
	"encoding/json"
	"strconv"
)

// AppendJSON appends the resource as JSON: its schemas, then the attributes that the projection wants, in
// the order of the schema. There are no nulls and no empty lists (Entra minds them).
func (r *Resource) AppendJSON(dst []byte, p Projection) []byte {
	dst = append(dst, `{"schemas":[`...)
	dst = appendString(dst, r.Kind.Schema.ID)
	for _, alias := range r.Kind.Aliases {
		dst = appendString(append(dst, ','), alias)
	}
	for _, e := range r.values.entries {
		if e.attr.extension {
			dst = appendString(append(dst, ','), e.attr.Name)
		}
	}
	dst = append(dst, ']')
	path := make([]*Attribute, 0, 4)
	dst, _ = appendFields(dst, r.values, p, path, true)
	return append(dst, '}')
}

// MarshalJSON writes the resource with everything that is returned by default.
func (r *Resource) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil, Projection{}), nil }

// appendFields appends the fields of a complex value that are wanted, each after a comma when something
// stands before it already, and reports whether it wrote any.
func appendFields(dst []byte, v *Values, p Projection, path []*Attribute, comma bool) ([]byte, bool) {
	wrote := false
	for _, e := range v.entries {
		at := append(path, e.attr)
		if !p.wants(at) {
			continue
		}
		mark := len(dst)
		if comma {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, e.attr.Name), ':')
		var ok bool
		if dst, ok = appendValue(dst, e.value, p, at); !ok {
			dst = dst[:mark]
			continue
		}
		comma, wrote = true, true
	}
	return dst, wrote
}

// appendValue appends a value, and reports false when the projection leaves nothing of it.
func appendValue(dst []byte, value any, p Projection, path []*Attribute) ([]byte, bool) {
	switch value := value.(type) {
	case string:
		return appendString(dst, value), true
	case bool:
		return strconv.AppendBool(dst, value), true
	case int64:
		return strconv.AppendInt(dst, value, 10), true
	case *Values:
		dst, wrote := appendFields(append(dst, '{'), value, p, path, false)
		return append(dst, '}'), wrote
	case []any:
		dst = append(dst, '[')
		wrote := false
		for _, element := range value {
			mark := len(dst)
			if wrote {
				dst = append(dst, ',')
			}
			var ok bool
			if dst, ok = appendValue(dst, element, p, path); !ok {
				dst = dst[:mark]
				continue
			}
			wrote = true
		}
		return append(dst, ']'), wrote
	default:
		return dst, false
	}
}

func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := json.Marshal(s) // a string: it cannot fail
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// Store returns the resource in the form in which it is kept: JSON without schemas, id and meta. Load reads
// it again.
func (r *Resource) Store() []byte {
	kept := &Values{}
	for _, e := range r.values.entries {
		if e.attr.Name != "id" && e.attr.Name != "meta" && !e.attr.Apart {
			kept.entries = append(kept.entries, e)
		}
	}
	dst, _ := appendFields([]byte{'{'}, kept, Projection{}, nil, false)
	return append(dst, '}')
}

// Load reads what Store returned. Attributes that the schema no longer has are passed over. Any other
// fault is a damaged record, and the error says so.
func (k *Kind) Load(data []byte) (*Resource, error) {
	o, err := ParseObject(data)
	if err != nil {
		return nil, err
	}
	r := New(k)
	r.stored = len(data)
	return r, Compat.fill(r.values, k.root, o, nil)
}
