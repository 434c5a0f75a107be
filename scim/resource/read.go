package resource

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// Dialect says how much of what a client sends must be as the standards say.
type Dialect uint8

const (
	// Compat takes what Okta and Entra ID send: unknown attributes and schemas are passed over, booleans
	// and managers may be strings, single values need no list.
	Compat Dialect = iota
	// Strict is the SCIM interoperability profile of IPSIE: what is not known is refused.
	Strict
)

const (
	maxStringBytes = 8 << 10
	// maxItems bounds the values of a multi-valued attribute that is part of the resource.
	maxItems = 500
)

// Read makes a resource of the body of a POST or PUT. Attributes that only the server may set are
// passed over. The members of a group are returned apart; they are nil when the body has none.
//
// The errors are 400 invalidSyntax and 400 invalidValue.
func (k *Kind) Read(body *Object, d Dialect) (*Resource, []Item, error) {
	if err := k.readSchemas(body, d); err != nil {
		return nil, nil, err
	}
	r := New(k)
	if err := d.fill(r.values, k.root, body, k); err != nil {
		return nil, nil, err
	}
	members := r.takeApart()
	return r, members, r.Validate()
}

// takeApart removes the values that are kept apart and returns them.
func (r *Resource) takeApart() []Item {
	var items []Item
	for _, a := range r.Kind.root.Sub {
		if a.Apart && r.values.get(a) != nil {
			items = append(items, r.Items(a.Name)...)
			r.values.set(a, nil)
		}
	}
	return items
}

// readSchemas refuses a body that is not of this kind.
func (k *Kind) readSchemas(body *Object, d Dialect) error {
	list, ok := body.Get("schemas").([]any)
	if !ok {
		return scimerr.Bad(scimerr.InvalidSyntax, "the body has no \"schemas\": name %s there", k.Schema.ID)
	}
	var found bool
	for _, v := range list {
		urn, ok := v.(string)
		if !ok {
			return scimerr.Bad(scimerr.InvalidSyntax, "\"schemas\" holds something that is no string")
		}
		ref := k.root.sub(urn)
		known := k.Is(urn)
		found = found || known
		if !known && (ref == nil || !ref.extension) && d == Strict {
			return scimerr.Bad(scimerr.InvalidSyntax, "%s has no schema %q", k.Name, clip(urn))
		}
	}
	if !found {
		return scimerr.Bad(scimerr.InvalidSyntax, "\"schemas\" does not name %s", k.Schema.ID)
	}
	return nil
}

// fill reads the fields of an object into the sub-attributes of a parent. Root is not nil at the root.
func (d Dialect) fill(v *Values, parent *Attribute, o *Object, root *Kind) error {
	for _, f := range o.Fields {
		a := parent.sub(f.Name)
		if a == nil && root != nil && root.Drops(f.Name) && d == Compat {
			continue
		}
		if a == nil {
			if d == Strict {
				return scimerr.Bad(scimerr.InvalidSyntax, "%s has no attribute %q", parent.Name, clip(f.Name))
			}
			continue
		}
		if a.Mutability == ReadOnly {
			continue // RFC 7644, section 3.3: shall be ignored
		}
		value, err := d.read(a, f.Value)
		if err != nil {
			return err
		}
		v.set(a, value)
	}
	return nil
}

// read makes a value of an attribute from JSON. Null is no value.
func (d Dialect) read(a *Attribute, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	list, isList := value.([]any)
	switch {
	case a.Multi && isList:
		return d.readList(a, list)
	case a.Multi && d == Compat:
		return d.readList(a, []any{value})
	case a.Multi:
		return nil, scimerr.Bad(scimerr.InvalidValue, "%q needs a list of values", a.Name)
	default:
		return d.readOne(a, value)
	}
}

func (d Dialect) readList(a *Attribute, list []any) (any, error) {
	if len(list) > maxItems && !a.Apart {
		return nil, scimerr.Bad(scimerr.InvalidValue, "%q has %d values, more than %d", a.Name, len(list), maxItems)
	}
	values := make([]any, 0, len(list))
	for _, element := range list {
		value, err := d.readOne(a, element)
		if err != nil {
			return nil, err
		}
		if isEmpty(value) && a.Apart {
			// Passing it over could leave somebody in who was meant to go.
			return nil, scimerr.Bad(scimerr.InvalidValue, "a value of %q is empty", a.Name)
		}
		if isEmpty(value) || !a.Apart && indexOf(values, value) >= 0 {
			continue
		}
		values = append(values, value)
	}
	return values, nil
}

func indexOf(list []any, value any) int {
	for i := range list {
		if equalValues(list[i], value) {
			return i
		}
	}
	return -1
}

// readOne reads a value of an attribute that is single-valued, or one of several.
func (d Dialect) readOne(a *Attribute, value any) (any, error) {
	if a.Type == Complex {
		return d.readComplex(a, value)
	}
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		return d.readString(a, value)
	case bool:
		if a.Type == Boolean {
			return value, nil
		}
	case json.Number:
		if n, err := strconv.ParseInt(value.String(), 10, 64); err == nil && a.Type == Integer {
			return n, nil
		}
	}
	return nil, wrongType(a)
}

func wrongType(a *Attribute) error {
	return scimerr.Bad(scimerr.InvalidValue, "%q needs a value of type %s", a.Name, a.Type)
}

func (d Dialect) readComplex(a *Attribute, value any) (any, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case *Object:
		v := &Values{}
		if err := d.fill(v, a, value, nil); err != nil {
			return nil, err
		}
		return v, checkRequired(a, v)
	case string:
		// Entra sends the manager as a bare id, and as an empty string to remove it.
		sub := a.sub("value")
		if d == Strict || sub == nil {
			return nil, wrongType(a)
		}
		if value == "" {
			return nil, nil
		}
		s, err := d.readString(sub, value)
		if err != nil {
			return nil, err
		}
		v := &Values{}
		v.set(sub, s)
		return v, nil
	default:
		return nil, wrongType(a)
	}
}

// checkRequired refuses a complex value that lacks a part which it must have.
func checkRequired(a *Attribute, v *Values) error {
	if isEmpty(v) {
		return nil
	}
	for _, s := range a.Sub {
		if s.Required && v.get(s) == nil {
			return scimerr.Bad(scimerr.InvalidValue, "a value of %q needs %q", a.Name, s.Name)
		}
	}
	return nil
}

func (d Dialect) readString(a *Attribute, s string) (any, error) {
	switch a.Type {
	case Boolean:
		// Entra sends "True" and "False" unless it is told otherwise.
		if b, err := strconv.ParseBool(strings.ToLower(s)); err == nil && d == Compat && len(s) > 1 {
			return b, nil
		}
		return nil, wrongType(a)
	case Integer:
		return nil, wrongType(a)
	case DateTime:
		if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			return nil, scimerr.Bad(scimerr.InvalidValue, "%q needs a date and time such as 2026-01-31T12:00:00Z", a.Name)
		}
	case Binary:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return nil, scimerr.Bad(scimerr.InvalidValue, "%q needs base64", a.Name)
		}
	}
	limit := a.MaxBytes
	if limit == 0 {
		limit = maxStringBytes
	}
	if len(s) > limit {
		return nil, scimerr.Bad(scimerr.InvalidValue, "%q has %d bytes, more than %d", a.Name, len(s), limit)
	}
	if strings.ContainsRune(s, 0) {
		return nil, scimerr.Bad(scimerr.InvalidValue, "%q holds the character U+0000", a.Name)
	}
	return d.readChoice(a, s)
}

// readChoice puts one of a closed set of values into the schema's case.
func (d Dialect) readChoice(a *Attribute, s string) (any, error) {
	if !a.Closed || s == "" {
		return s, nil
	}
	for _, c := range a.Canonical {
		if strings.EqualFold(c, s) {
			return c, nil
		}
	}
	return nil, scimerr.Bad(scimerr.InvalidValue, "%q is none of %s for %q", clip(s), strings.Join(a.Canonical, ", "), a.Name)
}

// Validate refuses a resource that lacks what it must have, or has two primary values of one attribute.
func (r *Resource) Validate() error {
	for _, a := range r.Kind.root.Sub {
		value := r.values.get(a)
		if s, isText := value.(string); a.Required && a.Mutability != ReadOnly && (value == nil || isText && strings.TrimSpace(s) == "") {
			return scimerr.Bad(scimerr.InvalidValue, "%s needs %q, and it may not be empty", r.Kind.Name, a.Name)
		}
		list, _ := value.([]any)
		for _, element := range list {
			if v, ok := element.(*Values); ok {
				if err := checkRequired(a, v); err != nil {
					return err
				}
			}
		}
		if primaries(a, list) > 1 {
			return scimerr.Bad(scimerr.InvalidValue, "%q has more than one primary value", a.Name)
		}
	}
	return nil
}

func primaries(a *Attribute, list []any) int {
	sub := a.sub("primary")
	if sub == nil {
		return 0
	}
	n := 0
	for _, value := range list {
		if v, ok := value.(*Values); ok && v.get(sub) == true {
			n++
		}
	}
	return n
}
