package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// tupleJSON is one tuple of a JSON file.
type tupleJSON struct {
	User      string         `json:"user"`
	Relation  string         `json:"relation"`
	Object    string         `json:"object"`
	Condition *conditionJSON `json:"condition,omitempty"`
}

type conditionJSON struct {
	Name    string          `json:"name"`
	Context json.RawMessage `json:"context,omitempty"`
}

// newJSONReader reads an array of tuples, or JSON lines where the text does not begin with '['.
func newJSONReader(in io.Reader) (rowReader, error) {
	buffered := bufio.NewReader(in)
	base, line := int64(0), 1
	if mark, _ := buffered.Peek(len(byteOrderMark)); bytes.Equal(mark, byteOrderMark) {
		base = int64(len(byteOrderMark))
		_, _ = buffered.Discard(len(byteOrderMark))
	}
	for {
		b, err := buffered.ReadByte()
		if err == io.EOF {
			return &jsonLines{scanner: newLineScanner(buffered), line: line, end: base}, nil
		}
		if err != nil {
			return nil, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			_ = buffered.UnreadByte()
			if b == '[' {
				return newJSONArray(buffered, base, line)
			}
			return &jsonLines{scanner: newLineScanner(buffered), line: line, end: base}, nil
		}
		base++
		if b == '\n' {
			line++
		}
	}
}

// jsonLines reads one tuple a line. Empty lines and lines that begin with # are passed over.
type jsonLines struct {
	scanner *bufio.Scanner
	line    int // of the next line
	end     int64
}

func newLineScanner(in io.Reader) *bufio.Scanner {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxRowBytes)
	return scanner
}

func (r *jsonLines) rejectHeader() string { return "" }

func (r *jsonLines) next() (row, error) {
	for r.scanner.Scan() {
		text := r.scanner.Bytes()
		line := r.line
		r.line++
		r.end += int64(len(text)) + 1
		trimmed := bytes.TrimSpace(text)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		result := row{line: line, end: r.end, raw: bytes.Clone(trimmed)}
		result.key, result.fault = parseJSONTuple(result.raw)
		return result, nil
	}
	err := r.scanner.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = errRowTooLong
	}
	if err != nil {
		return row{}, fmt.Errorf("line %d: %w", r.line, err)
	}
	return row{}, io.EOF
}

// jsonArray reads the elements of an array.
type jsonArray struct {
	source  *source
	decoder *json.Decoder
	base    int64
}

func newJSONArray(in io.Reader, base int64, line int) (*jsonArray, error) {
	r := &jsonArray{source: newSource(in), base: base}
	r.source.line = line
	r.decoder = json.NewDecoder(r.source)
	if _, err := r.decoder.Token(); err != nil { // the bracket
		return nil, err
	}
	return r, nil
}

func (r *jsonArray) rejectHeader() string { return "" }

func (r *jsonArray) next() (row, error) {
	if !r.decoder.More() {
		if _, err := r.decoder.Token(); err != nil { // the closing bracket
			return row{}, r.broken(err)
		}
		return row{}, io.EOF
	}
	var element json.RawMessage
	if err := r.decoder.Decode(&element); err != nil {
		return row{}, r.broken(err)
	}
	_, line := r.source.take(r.decoder.InputOffset(), " \t\r\n,[")
	result := row{line: line, end: r.base + r.decoder.InputOffset()}
	var compact bytes.Buffer
	if err := json.Compact(&compact, element); err != nil {
		return row{}, r.broken(err)
	}
	result.raw = compact.Bytes()
	result.key, result.fault = parseJSONTuple(result.raw)
	return result, nil
}

// broken is the error of an array that cannot be read any further.
func (r *jsonArray) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the array is not closed")
	}
	return fmt.Errorf("line %d: not JSON: %w", r.source.line, err)
}

func parseJSONTuple(text []byte) (*openfgav1.TupleKey, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var t tupleJSON
	if err := decoder.Decode(&t); err != nil {
		return nil, fmt.Errorf("not a tuple in JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("not a tuple in JSON: something follows the object")
	}
	var condition *openfgav1.RelationshipCondition
	if t.Condition != nil {
		var err error
		if condition, err = newCondition(t.Condition.Name, t.Condition.Context); err != nil {
			return nil, err
		}
	}
	return newKey(t.Object, t.Relation, t.User, condition)
}
