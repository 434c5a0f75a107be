package patch

import (
	"errors"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// maxOperations bounds the operations of one request.
const maxOperations = 1000

// Patch is a checked request. It is immutable.
type Patch struct {
	kind  *resource.Kind
	steps []step
	// Members is what the request does to the members of a group. They apply beside the resource.
	Members Members
}

// A step is an operation on one target.
type step struct {
	verb   verb
	number int // of the operation, from 0
	target resource.Target
	value  any
	id     string // of expectID
}

type verb uint8

const (
	add verb = iota
	remove
	replace
	removeValues // the compatible dialect's "remove" with a value
	expectID     // a value object repeats the id of the resource
)

// Parse checks a request against the schema of a kind and a dialect. The errors are 400 with invalidSyntax,
// invalidPath, invalidFilter, invalidValue, noTarget or mutability.
func Parse(k *resource.Kind, body *resource.Object, d resource.Dialect) (*Patch, error) {
	if err := checkSchemas(body); err != nil {
		return nil, err
	}
	operations, ok := body.Get("Operations").([]any)
	if !ok || len(operations) == 0 {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "\"Operations\" must be a list of one or more operations")
	}
	if len(operations) > maxOperations {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "%d operations are more than the %d of one request", len(operations), maxOperations)
	}
	p := &parser{kind: k, dialect: d, members: newMembers()}
	for i, operation := range operations {
		p.number = i
		if err := p.operation(operation); err != nil {
			return nil, inOperation(i, err)
		}
	}
	return &Patch{kind: k, steps: p.steps, Members: p.members.delta()}, nil
}

// inOperation says which operation a refusal is about.
func inOperation(i int, err error) error {
	var refused *scimerr.Error
	if errors.As(err, &refused) {
		return scimerr.New(refused.Status, refused.Type, "operation %d: %s", i+1, refused.Detail)
	}
	return err
}

func checkSchemas(body *resource.Object) error {
	schemas, _ := body.Get("schemas").([]any)
	for _, urn := range schemas {
		if s, ok := urn.(string); ok && strings.EqualFold(s, resource.PatchOp) {
			return nil
		}
	}
	return scimerr.Bad(scimerr.InvalidSyntax, "\"schemas\" does not name %s", resource.PatchOp)
}

// Attributes returns the names of the attributes that the request is about, sorted.
func (p *Patch) Attributes() []string {
	var names []string
	for _, s := range p.steps {
		if s.verb != expectID {
			names = append(names, s.target.Name())
		}
	}
	if !p.Members.IsZero() {
		names = append(names, "members")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Apply returns the resource that the request makes of r, and leaves r as it is. The errors are 400 with
// noTarget, invalidValue or mutability.
func (p *Patch) Apply(r *resource.Resource) (*resource.Resource, error) {
	after := r.Clone()
	for _, s := range p.steps {
		if err := s.apply(after); err != nil {
			return nil, inOperation(s.number, err)
		}
	}
	return after, after.Validate()
}

func (s step) apply(r *resource.Resource) error {
	switch s.verb {
	case add:
		return r.Add(s.target, s.value)
	case replace:
		return r.Replace(s.target, s.value)
	case removeValues:
		return r.RemoveValues(s.target, s.value)
	case expectID:
		if id := r.Text("id"); id != s.id {
			return scimerr.Bad(scimerr.Mutability, "\"id\" cannot be changed")
		}
		return nil
	default:
		return r.Remove(s.target)
	}
}

// parser collects the steps of a request.
type parser struct {
	kind    *resource.Kind
	dialect resource.Dialect
	number  int // of the operation that is read
	steps   []step
	members *members
}

var verbs = map[string]verb{"add": add, "remove": remove, "replace": replace}

func (p *parser) operation(operation any) error {
	o, ok := operation.(*resource.Object)
	if !ok {
		return scimerr.Bad(scimerr.InvalidSyntax, "it is not an object")
	}
	name, _ := o.Get("op").(string)
	v, ok := verbs[strings.ToLower(name)] // Entra writes Add, Replace, Remove
	if !ok {
		return scimerr.Bad(scimerr.InvalidSyntax, "\"op\" must be add, remove or replace")
	}
	path, ok := o.Get("path").(string)
	if !ok && o.Get("path") != nil {
		return scimerr.Bad(scimerr.InvalidSyntax, "\"path\" must be a string")
	}
	value, valued := o.Lookup("value")
	if !valued && v != remove {
		return scimerr.Bad(scimerr.InvalidSyntax, "%s needs a \"value\"", name)
	}
	if strings.TrimSpace(path) == "" {
		return p.withoutPath(v, value)
	}
	at, target, err := p.target(path)
	if err != nil {
		if p.passesOver(at) {
			return nil
		}
		return err
	}
	return p.step(v, at, target, value, valued)
}

// withoutPath makes a step of each field of a value object. Clients may write paths as names there: Entra's
// {"name.givenName": "Ann", "urn:…:User:department": "Sales"}.
func (p *parser) withoutPath(v verb, value any) error {
	if v == remove {
		return scimerr.Bad(scimerr.NoTarget, "remove needs a \"path\"")
	}
	if p.dialect == resource.Strict {
		return scimerr.Bad(scimerr.InvalidPath, "a \"path\" is needed")
	}
	o, ok := value.(*resource.Object)
	if !ok {
		return scimerr.Bad(scimerr.InvalidValue, "without a \"path\" the value must be an object of attributes")
	}
	for _, f := range o.Fields {
		if err := p.field(v, f); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) field(v verb, f resource.Field) error {
	switch strings.ToLower(f.Name) {
	case "schemas", "meta":
		return nil
	case "id": // Okta repeats it
		id, ok := f.Value.(string)
		if !ok {
			return scimerr.Bad(scimerr.InvalidValue, "\"id\" must be a string")
		}
		p.steps = append(p.steps, step{verb: expectID, number: p.number, id: id})
		return nil
	}
	path, target, err := p.target(f.Name)
	if err != nil {
		return nil // read-only and unknown attributes are passed over, as in a PUT
	}
	if _, apart := target.Apart(); apart && f.Value == nil {
		return nil // a null beside other attributes is no wish to remove all members
	}
	return p.step(v, path, target, f.Value, true)
}

// target checks a path.
func (p *parser) target(text string) (filter.Path, resource.Target, error) {
	path, err := filter.ParsePath(text, filter.Options{Unquoted: p.dialect == resource.Compat})
	if err != nil {
		return path, resource.Target{}, scimerr.Bad(scimerr.InvalidPath, "the path %q: %v", shorten(text), err)
	}
	target, err := p.kind.Target(path, p.dialect)
	return path, target, err
}

// step checks the value of an operation on one target.
func (p *parser) step(v verb, path filter.Path, target resource.Target, value any, valued bool) error {
	if name, apart := target.Apart(); apart {
		return p.membership(v, name, path, target, value, valued)
	}
	s := step{verb: v, number: p.number, target: target}
	if v == remove {
		return p.removal(s, value, valued)
	}
	var err error
	s.value, err = target.Value(value)
	p.steps = append(p.steps, s)
	return err
}

// removal makes a step of "remove". With a value it removes, of a list, the values described; of anything
// else all of it, as Entra means it.
func (p *parser) removal(s step, value any, valued bool) error {
	if s.target.Required() {
		return scimerr.Bad(scimerr.Mutability, "%q is required and cannot be removed", shorten(s.target.String()))
	}
	if valued && value != nil && p.dialect == resource.Strict {
		return scimerr.Bad(scimerr.InvalidSyntax, "remove takes no \"value\": name what to remove in the path")
	}
	var err error
	if valued && value != nil && s.target.List() {
		s.verb = removeValues
		s.value, err = s.target.Value(value)
	}
	p.steps = append(p.steps, s)
	return err
}

// passesOver reports whether a path that the schema does not have is no reason to refuse the rest: an
// attribute that is thrown away always, or one of an extension that is not ours.
func (p *parser) passesOver(path filter.Path) bool {
	if p.dialect == resource.Strict {
		return false
	}
	if path.Attr.URI == "" || p.kind.Is(path.Attr.URI) {
		return p.kind.Drops(path.Attr.Name)
	}
	return !p.kind.Knows(path.Attr.URI)
}

func shorten(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
