package conformance

import (
	"bytes"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// Suite is a file of OpenFGA's own tests.
type Suite struct {
	Tests []SuiteTest `yaml:"tests"`
}

// SuiteTest is one test: stages on one store, each adding to what the earlier ones left.
type SuiteTest struct {
	Name   string       `yaml:"name"`
	Stages []SuiteStage `yaml:"stages"`
}

// SuiteStage writes a model and tuples and asserts answers.
type SuiteStage struct {
	Name        string            `yaml:"name"`
	Model       string            `yaml:"model"`
	Tuples      []SuiteTuple      `yaml:"tuples"`
	Checks      []CheckAssertion  `yaml:"checkAssertions"`
	ListObjects []ObjectAssertion `yaml:"listObjectsAssertions"`
	ListUsers   []UserAssertion   `yaml:"listUsersAssertions"`
}

// SuiteTuple is a tuple as the suite writes it.
type SuiteTuple struct {
	Object    string          `yaml:"object"`
	Relation  string          `yaml:"relation"`
	User      string          `yaml:"user"`
	Condition *SuiteCondition `yaml:"condition"`
}

func (t SuiteTuple) String() string { return t.Object + "#" + t.Relation + "@" + t.User }

// SuiteCondition is the condition of a tuple.
type SuiteCondition struct {
	Name    string  `yaml:"name"`
	Context Context `yaml:"context"`
}

// Context is the context of a condition or of a question, nil where the suite gives none.
type Context struct{ *structpb.Struct }

// UnmarshalYAML reads a mapping. Values that the API cannot carry are a fault of the suite.
func (c *Context) UnmarshalYAML(node *yaml.Node) error {
	var values map[string]any
	if err := node.Decode(&values); err != nil || values == nil {
		return err
	}
	s, err := structpb.NewStruct(values)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	c.Struct = s
	return nil
}

// CheckAssertion is a check with its answer, or the number of the error.
type CheckAssertion struct {
	Name             string       `yaml:"name"`
	Tuple            SuiteTuple   `yaml:"tuple"`
	ContextualTuples []SuiteTuple `yaml:"contextualTuples"`
	Context          Context      `yaml:"context"`
	Expectation      bool         `yaml:"expectation"`
	ErrorCode        ErrorCode    `yaml:"errorCode"`
}

// ObjectAssertion is a ListObjects question with its answer, or the number of the error.
type ObjectAssertion struct {
	Request struct {
		User     string `yaml:"user"`
		Type     string `yaml:"type"`
		Relation string `yaml:"relation"`
	} `yaml:"request"`
	ContextualTuples []SuiteTuple `yaml:"contextualTuples"`
	Context          Context      `yaml:"context"`
	Expectation      []string     `yaml:"expectation"`
	ErrorCode        ErrorCode    `yaml:"errorCode"`
}

// UserAssertion is a ListUsers question with its answer, or the number of the error.
type UserAssertion struct {
	Request struct {
		Filters  []string `yaml:"filters"` // "user" or "group#member"
		Object   string   `yaml:"object"`
		Relation string   `yaml:"relation"`
		// Misplaced holds an expectation that stands one level too deep in one assertion of the suite;
		// it is empty there, as the assertion's own is.
		Misplaced []string `yaml:"expectation"`
	} `yaml:"request"`
	ContextualTuples []SuiteTuple `yaml:"contextualTuples"`
	Context          Context      `yaml:"context"`
	Expectation      []string     `yaml:"expectation"`
	ErrorCode        ErrorCode    `yaml:"errorCode"`
}

// ReadSuite reads a suite. A key that it does not know is an error: an assertion must not pass because
// half of it was not understood.
func ReadSuite(path string) (*Suite, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var suite Suite
	if err := decoder.Decode(&suite); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &suite, nil
}
