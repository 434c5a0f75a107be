package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// The columns of a CSV file of tuples, as the fga command line has them. A file may hold them in any
// order; the last three and user_relation may be absent.
var csvColumns = []string{
	"user_type", "user_id", "user_relation", "relation", "object_type", "object_id", "condition_name", "condition_context",
}

var csvOptional = []string{"user_relation", "condition_name", "condition_context"}

var byteOrderMark = []byte("\xef\xbb\xbf")

// csvRows reads tuples in CSV. Lines that begin with # are comments.
type csvRows struct {
	source *source
	csv    *csv.Reader
	base   int64          // bytes before the first that csv saw
	column map[string]int // name -> position in a record
	header string
	done   bool
}

// newCSVReader reads the header. The error names the columns that are missing or not known.
func newCSVReader(in io.Reader) (*csvRows, error) {
	buffered := bufio.NewReader(in)
	base := int64(0)
	if mark, _ := buffered.Peek(len(byteOrderMark)); bytes.Equal(mark, byteOrderMark) {
		base = int64(len(byteOrderMark))
		_, _ = buffered.Discard(len(byteOrderMark))
	}
	r := &csvRows{source: newSource(buffered), base: base, column: map[string]int{}}
	r.csv = csv.NewReader(r.source)
	r.csv.Comment = '#'
	r.csv.FieldsPerRecord = -1 // counted here, so that one faulty row does not end the file
	r.csv.ReuseRecord = true
	names, err := r.csv.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty: a CSV file begins with the header " + strings.Join(csvColumns, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	raw, _ := r.source.take(r.csv.InputOffset(), "\r\n")
	r.header = string(raw)
	for i, name := range names {
		name = strings.TrimSpace(name)
		if !slices.Contains(csvColumns, name) {
			return nil, fmt.Errorf("the header has the unknown column %q; the columns are %s", name, strings.Join(csvColumns, ", "))
		}
		if _, twice := r.column[name]; twice {
			return nil, fmt.Errorf("the header has the column %q twice", name)
		}
		r.column[name] = i
	}
	for _, name := range csvColumns {
		if _, ok := r.column[name]; !ok && !slices.Contains(csvOptional, name) {
			return nil, fmt.Errorf("the header lacks the column %q; it has %s", name, r.header)
		}
	}
	return r, nil
}

func (r *csvRows) rejectHeader() string { return r.header + "\n" }

func (r *csvRows) next() (row, error) {
	if r.done {
		return row{}, io.EOF
	}
	record, err := r.csv.Read()
	if err == io.EOF {
		r.done = true
		return row{}, io.EOF
	}
	var malformed *csv.ParseError
	if err != nil && (!errors.As(err, &malformed) || errors.Is(err, errRowTooLong)) {
		return row{}, fmt.Errorf("line %d: %w", r.source.line, err)
	}
	raw, line := r.source.take(r.csv.InputOffset(), "\r\n")
	result := row{line: line, end: r.base + r.csv.InputOffset(), raw: raw}
	switch {
	case err != nil:
		result.fault = fmt.Errorf("not CSV: %w", malformed.Err)
	case len(record) != len(r.column):
		result.fault = fmt.Errorf("%s where the header has %s", count(len(record), "field"), thousands(int64(len(r.column))))
	default:
		result.key, result.fault = r.parse(record)
	}
	return result, nil
}

func (r *csvRows) parse(record []string) (*openfgav1.TupleKey, error) {
	field := func(name string) string {
		if i, ok := r.column[name]; ok {
			return strings.Clone(record[i])
		}
		return ""
	}
	for _, name := range csvColumns {
		if field(name) == "" && !slices.Contains(csvOptional, name) {
			return nil, fmt.Errorf("the field %s is empty", name)
		}
	}
	subject := ostiary.SubjectRef{Type: field("user_type"), ID: field("user_id"), Relation: field("user_relation")}
	object := ostiary.ObjectRef{Type: field("object_type"), ID: field("object_id")}
	condition, err := newCondition(field("condition_name"), []byte(field("condition_context")))
	if err != nil {
		return nil, err
	}
	return newKey(object.String(), field("relation"), subject.String(), condition)
}

// newCondition makes the API's condition; no name is no condition.
func newCondition(name string, context []byte) (*openfgav1.RelationshipCondition, error) {
	if name == "" {
		if len(context) > 0 {
			return nil, errors.New("there is a context of a condition but no name")
		}
		return nil, nil
	}
	condition := &openfgav1.RelationshipCondition{Name: name}
	if len(context) > 0 {
		parsed, err := parseContext(context)
		if err != nil {
			return nil, fmt.Errorf("context of the condition: %w", err)
		}
		condition.Context = parsed
	}
	return condition, nil
}
