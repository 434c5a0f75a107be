package dsl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// JSON returns a model in OpenFGA's JSON form, in one line. The same model gives the same bytes:
// everything stands in the order of the model. CompileJSON of the bytes gives an equal model.
func JSON(m *model.Model) ([]byte, error) {
	types := make([]any, 0, len(m.Types))
	for _, t := range m.Types {
		fields := ordered{{"type", t.Name}}
		relations, metadata := ordered{}, ordered{}
		for _, r := range t.Relations {
			rewrite, err := rewriteJSON(r.Rewrite)
			if err != nil {
				return nil, fmt.Errorf("write %s#%s as JSON: %w", t.Name, r.Name, err)
			}
			relations = append(relations, member{r.Name, rewrite})
			restrictions := make([]any, 0, len(r.Restrictions))
			for _, restriction := range r.Restrictions {
				restrictions = append(restrictions, restrictionJSON(restriction))
			}
			metadata = append(metadata, member{r.Name,
				append(ordered{{"directly_related_user_types", restrictions}}, originJSON(r.Origin)...)})
		}
		fields = append(fields, member{"relations", relations})
		about := ordered{}
		if len(metadata) > 0 {
			about = ordered{{"relations", metadata}}
		}
		if about = append(about, originJSON(t.Origin)...); len(about) > 0 {
			fields = append(fields, member{"metadata", about})
		}
		types = append(types, fields)
	}
	root := ordered{{"schema_version", string(m.Schema)}, {"type_definitions", types}}
	if len(m.Conditions) > 0 {
		conditions := ordered{}
		for _, c := range m.Conditions {
			conditions = append(conditions, member{c.Name, conditionJSON(c)})
		}
		root = append(root, member{"conditions", conditions})
	}
	return encode(root)
}

// ordered is a JSON object whose members keep their order.
type ordered []member

type member struct {
	key   string
	value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := encode(m.key)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is json.Marshal without the escapes for HTML, which would hide the signs of expressions.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func restrictionJSON(r model.Restriction) ordered {
	out := ordered{{"type", r.Type}}
	if r.Relation != "" {
		out = append(out, member{"relation", r.Relation})
	}
	if r.Wildcard {
		out = append(out, member{"wildcard", ordered{}})
	}
	if r.Condition != "" {
		out = append(out, member{"condition", r.Condition})
	}
	return out
}

func rewriteJSON(rewrite model.Rewrite) (ordered, error) {
	switch rewrite := rewrite.(type) {
	case model.Direct:
		return ordered{{"this", ordered{}}}, nil
	case model.ComputedUserset:
		return ordered{{"computedUserset", ordered{{"relation", rewrite.Relation}}}}, nil
	case model.TupleToUserset:
		return ordered{{"tupleToUserset", ordered{
			{"tupleset", ordered{{"relation", rewrite.Tupleset}}},
			{"computedUserset", ordered{{"relation", rewrite.Computed}}},
		}}}, nil
	case model.Union:
		return setJSON("union", rewrite.Children)
	case model.Intersection:
		return setJSON("intersection", rewrite.Children)
	case model.Difference:
		base, err := rewriteJSON(rewrite.Base)
		if err != nil {
			return nil, err
		}
		subtract, err := rewriteJSON(rewrite.Subtract)
		if err != nil {
			return nil, err
		}
		return ordered{{"difference", ordered{{"base", base}, {"subtract", subtract}}}}, nil
	}
	return nil, fmt.Errorf("a rewrite of the unknown kind %T", rewrite)
}

func setJSON(name string, children []model.Rewrite) (ordered, error) {
	out := make([]any, 0, len(children))
	for _, child := range children {
		v, err := rewriteJSON(child)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return ordered{{name, ordered{{"child", out}}}}, nil
}

func conditionJSON(c *model.Condition) ordered {
	parameters := ordered{}
	for _, p := range c.Parameters {
		parameters = append(parameters, member{p.Name, parameterTypeJSON(p.Type)})
	}
	out := ordered{{"name", c.Name}, {"expression", c.Expression}, {"parameters", parameters}}
	if origin := originJSON(c.Origin); len(origin) > 0 {
		out = append(out, member{"metadata", origin})
	}
	return out
}

// originJSON returns the fields of metadata that say which module something comes from.
func originJSON(o model.Origin) ordered {
	var out ordered
	if o.Module != "" {
		out = append(out, member{"module", o.Module})
	}
	if o.File != "" {
		out = append(out, member{"source_info", ordered{{"file", o.File}}})
	}
	return out
}

func parameterTypeJSON(t model.ParameterType) ordered {
	out := ordered{{"type_name", "TYPE_NAME_" + strings.ToUpper(t.Name)}}
	if t.Element != nil {
		out = append(out, member{"generic_types", []any{parameterTypeJSON(*t.Element)}})
	}
	return out
}
