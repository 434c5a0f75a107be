package decisionlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Rules pick decisions: the first that matches says how many are written, and what none matches is not. Nil writes
// everything.
type Rules []Rule

// Rule matches decisions by what it names; what it leaves out may be anything.
type Rule struct {
	Stores, Methods, Results, ObjectTypes, Relations []string
	// Ratio is the share, from 0 to 1, that is written.
	Ratio float64
}

// The keys of a rule.
const (
	keyStore      = "store"
	keyMethod     = "method"
	keyResult     = "result"
	keyObjectType = "object_type"
	keyRelation   = "relation"
	keyRatio      = "ratio"
)

var ruleKeys = []string{keyStore, keyMethod, keyResult, keyObjectType, keyRelation, keyRatio}

// Bounds of a file of rules.
const (
	maxRulesBytes = 1 << 20
	maxRules      = 1000
)

func among(values []string, value string) bool {
	return len(values) == 0 || slices.Contains(values, value)
}

// want reports whether a decision is to be written.
func (r Rules) want(store, method, result, object, relation string) bool {
	if r == nil {
		return true
	}
	objectType, _, _ := strings.Cut(object, ":")
	for i := range r {
		rule := &r[i]
		if among(rule.Stores, store) && among(rule.Methods, method) && among(rule.Results, result) &&
			among(rule.ObjectTypes, objectType) && among(rule.Relations, relation) {
			return rule.Ratio >= 1 || rule.Ratio > 0 && rand.Float64() < rule.Ratio
		}
	}
	return false
}

// ParseRules reads a YAML file of rules, a list. methods are the names that a method may have. The error names every
// fault with its line and key.
func ParseRules(file string, text []byte, methods []string) (Rules, error) {
	if len(text) > maxRulesBytes {
		return nil, fmt.Errorf("%s has %d bytes: rules may have %d", file, len(text), maxRulesBytes)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(document.Content) == 0 {
		return nil, fmt.Errorf("%s holds no rules: leave the file out to write every decision", file)
	}
	list := document.Content[0]
	switch {
	case list.Kind != yaml.SequenceNode:
		return nil, fmt.Errorf("%s:%d: the file is no list of rules: begin each with '- '", file, list.Line)
	case len(list.Content) == 0:
		return nil, fmt.Errorf("%s:%d: the list of rules is empty: leave the file out to write every decision", file, list.Line)
	case len(list.Content) > maxRules:
		return nil, fmt.Errorf("%s has %d rules: %d is the most", file, len(list.Content), maxRules)
	}
	var faults []error
	rules := make(Rules, len(list.Content))
	for i, node := range list.Content {
		faults = append(faults, rules[i].read(file, node, methods))
	}
	return rules, errors.Join(faults...)
}

func (r *Rule) read(file string, node *yaml.Node, methods []string) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: a rule is no list of KEY: VALUE, of the keys %s", file, node.Line, strings.Join(ruleKeys, ", "))
	}
	r.Ratio = 1
	var faults []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		err := error(nil)
		switch {
		case seen[key.Value]:
			err = errors.New("it is set twice")
		case key.Value == keyStore:
			r.Stores, err = textsOf(value, nil)
		case key.Value == keyMethod:
			r.Methods, err = textsOf(value, methods)
		case key.Value == keyResult:
			r.Results, err = textsOf(value, Results())
		case key.Value == keyObjectType:
			r.ObjectTypes, err = textsOf(value, nil)
		case key.Value == keyRelation:
			r.Relations, err = textsOf(value, nil)
		case key.Value == keyRatio:
			r.Ratio, err = ratioOf(value)
		default:
			err = fmt.Errorf("there is no such key: a rule has %s", strings.Join(ruleKeys, ", "))
		}
		seen[key.Value] = true
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %s: %w", file, key.Line, key.Value, err))
		}
	}
	return errors.Join(faults...)
}

// textsOf reads a text or a list of texts, of those that are known, where that is not nil.
func textsOf(value *yaml.Node, known []string) ([]string, error) {
	parts := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		parts = value.Content
	}
	if len(parts) == 0 {
		return nil, errors.New("the list is empty, and matches nothing")
	}
	var texts []string
	for _, part := range parts {
		switch {
		case part.Kind != yaml.ScalarNode || part.Tag == "!!null" || part.Value == "":
			return nil, errors.New("it is neither a text nor a list of texts")
		case known != nil && !slices.Contains(known, part.Value):
			return nil, fmt.Errorf("%q is none of %s", part.Value, strings.Join(known, ", "))
		}
		texts = append(texts, part.Value)
	}
	return texts, nil
}

func ratioOf(value *yaml.Node) (float64, error) {
	n, err := strconv.ParseFloat(value.Value, 64)
	if value.Kind != yaml.ScalarNode || err != nil || !(n >= 0 && n <= 1) {
		return 0, fmt.Errorf("%q is not a share from 0 to 1", value.Value)
	}
	return n, nil
}
