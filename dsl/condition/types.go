package condition

import (
	"fmt"

	"cel.dev/cel-go/cel"

	"github.com/ostiary/ostiary/dsl/model"
)

var scalars = map[string]*cel.Type{
	"bool": cel.BoolType, "string": cel.StringType, "int": cel.IntType, "uint": cel.UintType,
	"double": cel.DoubleType, "duration": cel.DurationType, "timestamp": cel.TimestampType,
	"ipaddress": addressType, "any": cel.AnyType,
}

// maxTypeDepth bounds how deep list<…> and map<…> may nest.
const maxTypeDepth = 64

func celType(t model.ParameterType) (*cel.Type, error) { return celTypeAt(t, 0) }

func celTypeAt(t model.ParameterType, depth int) (*cel.Type, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("its type nests deeper than %d", maxTypeDepth)
	}
	if scalar := scalars[t.Name]; scalar != nil {
		if t.Element != nil {
			return nil, fmt.Errorf("type %q takes no element type", t.Name)
		}
		return scalar, nil
	}
	if t.Name != "list" && t.Name != "map" {
		return nil, fmt.Errorf("unknown type %q", t.Name)
	}
	if t.Element == nil {
		return nil, fmt.Errorf("type %q needs an element type, such as %s<any>", t.Name, t.Name)
	}
	element, err := celTypeAt(*t.Element, depth+1)
	if err != nil {
		return nil, err
	}
	if t.Name == "list" {
		return cel.ListType(element), nil
	}
	return cel.MapType(cel.StringType, element), nil
}

// typeName names a type as models do where it can.
func typeName(t *cel.Type) string {
	switch {
	case t.IsExactType(addressType):
		return "ipaddress"
	case t.IsExactType(cel.AnyType):
		return "any"
	}
	return cel.FormatCELType(t)
}
