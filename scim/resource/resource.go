package resource

import (
	"time"

	"github.com/ostiary/ostiary/scim/filter"
)

// Resource is a user, a group, a role or an entitlement as SCIM describes it, without what is kept apart:
// the members of a group and the groups of a user. It is not safe for concurrent use while it is changed.
type Resource struct {
	Kind   *Kind
	values *Values
	stored int
}

// StoredBytes is the length of what Load made the resource of; 0 where it was made otherwise.
func (r *Resource) StoredBytes() int { return r.stored }

// New returns a resource without attributes.
func New(k *Kind) *Resource { return &Resource{Kind: k, values: &Values{}} }

// Clone returns a resource that shares nothing with r.
func (r *Resource) Clone() *Resource { return &Resource{Kind: r.Kind, values: r.values.clone()} }

// Equal reports whether two resources have the same attributes with the same values in the same order.
func (r *Resource) Equal(o *Resource) bool {
	return r.Kind == o.Kind && equalValues(r.values, o.values)
}

// attribute finds an attribute by the path that this package's callers write in their code. A path that
// is none is a mistake of theirs.
func (k *Kind) attribute(path string) Ref {
	p, err := filter.ParseAttr(path)
	if err == nil {
		if ref, ok := k.Resolve(p); ok {
			return ref
		}
	}
	panic("resource: " + k.Name + " has no attribute " + path)
}

func (r *Resource) at(path string) any {
	var value any = r.values
	for _, a := range r.Kind.attribute(path) {
		v, ok := value.(*Values)
		if !ok {
			return nil
		}
		value = v.get(a)
	}
	return value
}

// Text returns a string by its path ("userName", "name.givenName"), empty when it has no value. The path
// passes no multi-valued attribute. It panics when the kind has no such attribute.
func (r *Resource) Text(path string) string {
	s, _ := r.at(path).(string)
	return s
}

// Bool returns a boolean by its path, and whether it has a value.
func (r *Resource) Bool(path string) (value, assigned bool) {
	value, assigned = r.at(path).(bool)
	return value, assigned
}

// SetText assigns a string to an attribute of the root, or unassigns it when the string is empty.
func (r *Resource) SetText(name, value string) {
	if value == "" {
		r.values.set(r.Kind.attribute(name).last(), nil)
		return
	}
	r.values.set(r.Kind.attribute(name).last(), value)
}

// SetBool assigns a boolean to an attribute of the root.
func (r *Resource) SetBool(name string, value bool) {
	r.values.set(r.Kind.attribute(name).last(), value)
}

// Item is one value of a multi-valued attribute with the sub-attributes of RFC 7643, section 2.4.
type Item struct {
	Value, Display, Type, Ref string
	Primary                   bool
}

// Items returns the values of a multi-valued attribute: "emails", "roles".
func (r *Resource) Items(name string) []Item {
	return ItemsOf(r.at(name))
}

func (v *Values) item() Item {
	var it Item
	for _, e := range v.entries {
		switch e.attr.Name {
		case "value":
			it.Value, _ = e.value.(string)
		case "display":
			it.Display, _ = e.value.(string)
		case "type":
			it.Type, _ = e.value.(string)
		case "$ref":
			it.Ref, _ = e.value.(string)
		case "primary":
			it.Primary, _ = e.value.(bool)
		}
	}
	return it
}

// SetItems replaces the values of a multi-valued attribute. Sub-attributes that it does not have are left
// out.
func (r *Resource) SetItems(name string, items []Item) {
	a := r.Kind.attribute(name).last()
	list := make([]any, 0, len(items))
	for _, it := range items {
		v := &Values{}
		for sub, text := range map[string]string{"value": it.Value, "display": it.Display, "type": it.Type, "$ref": it.Ref} {
			if s := a.sub(sub); s != nil && text != "" {
				v.set(s, text)
			}
		}
		if s := a.sub("primary"); s != nil && it.Primary {
			v.set(s, true)
		}
		list = append(list, v)
	}
	r.values.set(a, list)
}

// Meta is what the server knows about a resource.
type Meta struct {
	Created, Modified time.Time
	Location          string // absolute
	Version           string // an entity tag: W/"17"
}

// SetMeta assigns id and meta.
func (r *Resource) SetMeta(id string, m Meta) {
	r.SetText("id", id)
	a := r.Kind.attribute("meta").last()
	v := &Values{}
	for name, text := range map[string]string{"resourceType": r.Kind.Name, "created": stamp(m.Created),
		"lastModified": stamp(m.Modified), "location": m.Location, "version": m.Version} {
		if text != "" {
			v.set(a.sub(name), text)
		}
	}
	r.values.set(a, v)
}

// stamp writes a time as SCIM does, to the millisecond and in UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// ItemsOf returns the values of a multi-valued attribute as Target.Value read them.
func ItemsOf(value any) []Item {
	list, _ := value.([]any)
	items := make([]Item, 0, len(list))
	for _, element := range list {
		if v, ok := element.(*Values); ok {
			items = append(items, v.item())
		}
	}
	return items
}
