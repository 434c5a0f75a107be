package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/ostiary/ostiary/dsl/model"
)

// maxNumberBytes bounds a number that is written as a text: to read a longer one could take long.
const maxNumberBytes = 400

// maxValueDepth bounds how deep a context value may nest.
const maxValueDepth = 100

// convert turns a value as encoding/json decodes it into the value of a parameter of type t. Numbers
// may be float64 or json.Number.
func convert(v any, t model.ParameterType) (any, error) { return convertAt(v, t, 0) }

func convertAt(v any, t model.ParameterType, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("nests deeper than %d", maxValueDepth)
	}
	switch t.Name {
	case "any":
		return dynamic(v, depth)
	case "bool":
		if b, ok := v.(bool); ok {
			return types.Bool(b), nil
		}
		return nil, unexpected("a bool", v)
	case "string":
		if s, ok := v.(string); ok {
			return types.String(s), nil
		}
		return nil, unexpected("a string", v)
	case "int":
		return toInt(v)
	case "uint":
		return toUint(v)
	case "double":
		return toDouble(v)
	case "duration":
		if s, ok := v.(string); ok {
			if d, err := time.ParseDuration(s); err == nil {
				return types.Duration{Duration: d}, nil
			}
		}
		return nil, unexpected(`a duration such as "1h30m"`, v)
	case "timestamp":
		if s, ok := v.(string); ok {
			if at, err := time.Parse(time.RFC3339, s); err == nil {
				return types.Timestamp{Time: at}, nil
			}
		}
		return nil, unexpected(`a timestamp in RFC 3339 form such as "2026-01-31T09:00:00Z"`, v)
	case "ipaddress":
		if s, ok := v.(string); ok {
			if a, err := parseAddress(s); err == nil {
				return a, nil
			}
		}
		return nil, unexpected("an IP address", v)
	case "list":
		return toList(v, t, depth)
	case "map":
		return toMap(v, t, depth)
	}
	return nil, fmt.Errorf("unknown type %q", t.Name)
}

func toList(v any, t model.ParameterType, depth int) (any, error) {
	items, ok := v.([]any)
	if !ok || t.Element == nil {
		return nil, unexpected("a list", v)
	}
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = convertAt(item, *t.Element, depth+1); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(out), nil
}

func toMap(v any, t model.ParameterType, depth int) (any, error) {
	fields, ok := v.(map[string]any)
	if !ok || t.Element == nil {
		return nil, unexpected("a map", v)
	}
	out := make(map[string]any, len(fields))
	for key, field := range fields {
		var err error
		if out[key], err = convertAt(field, *t.Element, depth+1); err != nil {
			return nil, fmt.Errorf("key %s: %w", shown(key), err)
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(out), nil
}

// dynamic is the value of a parameter of type any: what the JSON says, numbers as double.
func dynamic(v any, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("nests deeper than %d", maxValueDepth)
	}
	switch v := v.(type) {
	case nil:
		return types.NullValue, nil
	case bool:
		return types.Bool(v), nil
	case string:
		return types.String(v), nil
	case float64, json.Number:
		return toDouble(v)
	case []any:
		return toList(v, model.ParameterType{Name: "list", Element: &anyType}, depth)
	case map[string]any:
		return toMap(v, model.ParameterType{Name: "map", Element: &anyType}, depth)
	}
	return nil, unexpected("a JSON value", v)
}

var anyType = model.ParameterType{Name: "any"}

var errNumber = errors.New("not a number")

// number reads a JSON number, or a text that is written like one, exactly.
func number(v any) (*big.Float, error) {
	var text string
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) {
			return nil, errNumber
		}
		return big.NewFloat(v), nil
	case json.Number:
		text = string(v)
	case string:
		text = v
	default:
		return nil, errNumber
	}
	if len(text) > maxNumberBytes {
		return nil, errNumber
	}
	// A precision that holds every int64 and uint64 with room for a fraction to show.
	f, _, err := big.ParseFloat(text, 10, 512, big.ToNearestEven)
	if err != nil {
		return nil, errNumber
	}
	return f, nil
}

func toInt(v any) (any, error) {
	f, err := number(v)
	if err != nil || !f.IsInt() {
		return nil, unexpected("an int", v)
	}
	n, accuracy := f.Int64()
	if accuracy != big.Exact {
		return nil, unexpected("an int of 64 bits", v)
	}
	return types.Int(n), nil
}

func toUint(v any) (any, error) {
	f, err := number(v)
	if err != nil || !f.IsInt() {
		return nil, unexpected("a uint", v)
	}
	n, accuracy := f.Uint64()
	if accuracy != big.Exact {
		return nil, unexpected("a uint of 64 bits", v)
	}
	return types.Uint(n), nil
}

// toDouble takes the nearest double, as every reader of JSON does; one beyond the range is an error.
func toDouble(v any) (any, error) {
	if v, ok := v.(float64); ok && !math.IsNaN(v) {
		return types.Double(v), nil
	}
	f, err := number(v)
	if err != nil {
		return nil, unexpected("a double", v)
	}
	d, _ := f.Float64()
	if math.IsInf(d, 0) && !f.IsInf() {
		return nil, unexpected("a double", v)
	}
	return types.Double(d), nil
}

func unexpected(want string, v any) error {
	return fmt.Errorf("expected %s, found %s", want, describe(v))
}

// describe says in the words of JSON what a value is.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case json.Number:
		return "the number " + cut(string(v))
	case string:
		return "the text " + shown(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return fmt.Sprintf("a value of type %T", v)
}

// shown quotes a text, cut to a readable length.
func shown(text string) string { return strconv.Quote(cut(text)) }

func cut(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
