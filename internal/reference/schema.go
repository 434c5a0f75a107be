package reference

import (
	"fmt"
	"strings"

	"github.com/envoyproxy/protoc-gen-validate/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// object is one of JSON. Its keys are sorted when it is written.
type object = map[string]any

// wellKnown are the messages of google.protobuf whose JSON is not that of their fields.
var wellKnown = map[protoreflect.FullName]object{
	"google.protobuf.Timestamp":   {"type": "string", "format": "date-time"},
	"google.protobuf.Duration":    {"type": "string", "pattern": `^-?[0-9]+(\.[0-9]{1,9})?s$`, "example": "300s"},
	"google.protobuf.Struct":      {"type": "object", "additionalProperties": true},
	"google.protobuf.Value":       {},
	"google.protobuf.ListValue":   {"type": "array", "items": object{}},
	"google.protobuf.Int32Value":  {"type": "integer", "format": "int32"},
	"google.protobuf.Int64Value":  {"type": "string", "format": "int64"},
	"google.protobuf.UInt32Value": {"type": "integer", "format": "int64", "minimum": 0},
	"google.protobuf.BoolValue":   {"type": "boolean"},
	"google.protobuf.StringValue": {"type": "string"},
}

// schemas are those of an OpenAPI document's components, by the full name of a message or enum.
type schemas struct {
	words words
	all   object
}

// message returns a reference to a message's schema, and makes it.
func (s *schemas) message(m protoreflect.MessageDescriptor) object {
	if schema, ok := wellKnown[m.FullName()]; ok {
		return clone(schema)
	}
	name := string(m.FullName())
	if _, made := s.all[name]; !made {
		s.all[name] = object{} // messages may hold themselves
		s.all[name] = s.fields(m, nil)
	}
	return ref(name)
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// fields returns the schema of a message without some of its fields.
func (s *schemas) fields(m protoreflect.MessageDescriptor, without map[string]bool) object {
	properties := object{}
	var required []string
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if without[string(f.Name())] {
			continue
		}
		schema, must := s.field(f)
		properties[f.JSONName()] = schema
		if must {
			required = append(required, f.JSONName())
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if text := s.words[string(m.FullName())]; text != "" {
		schema["description"] = markdown(text)
	}
	return schema
}

// field returns the schema of a field with its words and bounds, and whether the field must be there.
func (s *schemas) field(f protoreflect.FieldDescriptor) (schema object, must bool) {
	rules, _ := proto.GetExtension(f.Options(), validate.E_Rules).(*validate.FieldRules)
	switch {
	case f.IsMap():
		schema = object{"type": "object", "additionalProperties": s.single(f.MapValue())}
		if n := rules.GetMap().GetMaxPairs(); n > 0 {
			schema["maxProperties"] = n
		}
	case f.IsList():
		schema = object{"type": "array", "items": s.single(f)}
		r := rules.GetRepeated()
		if r.GetMinItems() > 0 {
			schema["minItems"], must = r.GetMinItems(), true
		}
		if r != nil && r.MaxItems != nil {
			schema["maxItems"] = r.GetMaxItems()
		}
	default:
		schema = s.single(f)
		must = rules.GetMessage().GetRequired()
		bound(schema, rules)
		text := rules.GetString_()
		must = must || text.GetPattern() != "" && !text.GetIgnoreEmpty() && !strings.HasPrefix(text.GetPattern(), orEmpty)
	}
	if text := s.words.field(f); text != "" {
		if schema["$ref"] != nil { // what stands beside a reference is passed over
			schema = object{"allOf": []any{schema}}
		}
		schema["description"] = markdown(text)
	}
	return schema, must
}

// field returns the words of a field: its own, or for the packages of others those that all fields of its name have.
func (w words) field(f protoreflect.FieldDescriptor) string {
	if text := w[string(f.FullName())]; text != "" || isOurs(f) {
		return text
	}
	if text := w[fmt.Sprintf("%s.*.%s", f.ParentFile().Package(), f.Name())]; text != "" {
		return text
	}
	return w["*."+string(f.Name())]
}

// orEmpty begins the patterns that empty text matches.
const orEmpty = "^$|"

// bound writes the rules of a field into its schema.
func bound(schema object, rules *validate.FieldRules) {
	r := rules.GetString_()
	pattern := r.GetPattern()
	if pattern != "" && r.GetIgnoreEmpty() && !strings.HasPrefix(pattern, orEmpty) {
		pattern = orEmpty + pattern
	}
	if pattern != "" {
		schema["pattern"] = pattern
	}
	if r.GetMaxBytes() > 0 {
		schema["maxLength"] = r.GetMaxBytes()
	}
	if r.GetMinBytes() > 0 {
		schema["minLength"] = r.GetMinBytes()
	}
	if len(r.GetIn()) > 0 {
		schema["enum"] = r.GetIn()
	}
	if i := rules.GetInt32(); i != nil {
		if i.Gte != nil {
			schema["minimum"] = i.GetGte()
		}
		if i.Lte != nil {
			schema["maximum"] = i.GetLte()
		}
	}
	if u := rules.GetUint32(); u != nil && u.Lte != nil {
		schema["maximum"] = u.GetLte()
	}
}

// single returns the schema of one value of a field.
func (s *schemas) single(f protoreflect.FieldDescriptor) object {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.message(f.Message())
	case protoreflect.EnumKind:
		return s.enum(f.Enum())
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.BytesKind:
		return object{"type": "string", "format": "byte"}
	case protoreflect.StringKind:
		return object{"type": "string"}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return object{"type": "number", "format": "double"}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return object{"type": "integer", "format": "int32"}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return object{"type": "integer", "format": "int64", "minimum": 0}
	default: // numbers of 64 bits are text in JSON
		return object{"type": "string", "format": "int64"}
	}
}

func (s *schemas) enum(e protoreflect.EnumDescriptor) object {
	name := string(e.FullName())
	if e.FullName() == "google.protobuf.NullValue" {
		return object{"nullable": true}
	}
	if _, made := s.all[name]; !made {
		var values []string
		text := s.words[name]
		for i := range e.Values().Len() {
			v := e.Values().Get(i)
			values = append(values, string(v.Name()))
			if of := s.words[name+"."+string(v.Name())]; of != "" {
				text += fmt.Sprintf("\n\n%s: %s", v.Name(), of)
			}
		}
		schema := object{"type": "string", "enum": values}
		if text != "" {
			schema["description"] = markdown(strings.TrimSpace(text))
		}
		s.all[name] = schema
	}
	return ref(name)
}

func clone(o object) object {
	c := object{}
	for k, v := range o {
		c[k] = v
	}
	return c
}
