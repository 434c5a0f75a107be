package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// row is one tuple of a file, or the reason why there is none.
type row struct {
	key  *openfgav1.TupleKey // nil when fault is set
	line int                 // where the row begins, from 1
	end  int64               // offset of the byte after the row
	raw  []byte              // the row as it stands in the file, without a line end
	// fault says why the row cannot be sent, in words that follow "file:line: ".
	fault error
}

// rowReader reads the tuples of a file in their order.
type rowReader interface {
	// next returns the next row, io.EOF after the last, or an error when the rest of the file cannot
	// be read. A faulty row is not an error: its fault is set.
	next() (row, error)
	// rejectHeader is what a file of rejected rows begins with, so that it can be read again.
	rejectHeader() string
}

// The forms of a tuple file.
const (
	formatCSV   = "csv"
	formatJSON  = "json"  // an array of tuples; read as JSON lines when it does not begin with '['
	formatJSONL = "jsonl" // one tuple a line
)

// fileFormat returns the form of a file: what --format says, or else what the name ends in.
func fileFormat(name, format string) (string, error) {
	switch format {
	case formatCSV, formatJSON, formatJSONL:
		return format, nil
	case "":
	default:
		return "", usagef("--format %q is none of csv, json, jsonl", format)
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return formatCSV, nil
	case ".json":
		return formatJSON, nil
	case ".jsonl", ".ndjson":
		return formatJSONL, nil
	}
	return "", usagef("the form of %s cannot be told from its name: pass --format csv, json or jsonl", displayName(name))
}

// newRowReader returns a reader of tuples in one of the forms.
func newRowReader(in io.Reader, format string) (rowReader, error) {
	if format == formatCSV {
		return newCSVReader(in)
	}
	return newJSONReader(in)
}

// newKey makes the API's tuple out of its parts, and judges their form.
func newKey(object, relation, user string, condition *openfgav1.RelationshipCondition) (*openfgav1.TupleKey, error) {
	t, err := ostiary.NewTuple(object, relation, user)
	if err != nil {
		return nil, err
	}
	key := tupleKey(t)
	key.Condition = condition
	return key, nil
}

// maxRowBytes bounds one row of a file: an unclosed quote must not read the whole file into memory.
const maxRowBytes = 1 << 20

var errRowTooLong = fmt.Errorf("a row is longer than %d bytes (a quote or bracket that is not closed?)", maxRowBytes)

// source is a reader that keeps the bytes read since the last row was taken, so that a row can be
// shown and written as it stood, and counts their lines.
type source struct {
	in   io.Reader
	kept []byte // bytes from offset on
	// offset and line say where kept begins: the byte after the last row taken.
	offset int64
	line   int
}

func newSource(in io.Reader) *source { return &source{in: in, line: 1} }

func (s *source) Read(p []byte) (int, error) {
	if len(s.kept) > maxRowBytes {
		return 0, errRowTooLong
	}
	n, err := s.in.Read(p)
	s.kept = append(s.kept, p[:n]...)
	return n, err
}

// take returns what stands between the last row taken and the offset end, without leading bytes of
// lead and comment lines, and the line at which it begins.
func (s *source) take(end int64, lead string) (raw []byte, line int) {
	n := min(int(end-s.offset), len(s.kept))
	taken := s.kept[:n]
	begin := skipLead(taken, lead)
	line = s.line + bytes.Count(taken[:begin], []byte("\n"))
	raw = bytes.Clone(bytes.TrimRight(taken[begin:], "\r\n"))
	s.line += bytes.Count(taken, []byte("\n"))
	s.kept = append(s.kept[:0], s.kept[n:]...)
	s.offset = end
	return raw, line
}

// skipLead returns how many bytes at the beginning of text are in lead or in lines that begin with #.
func skipLead(text []byte, lead string) int {
	rest := text
	for {
		rest = bytes.TrimLeft(rest, lead)
		if !bytes.HasPrefix(rest, []byte("#")) {
			return len(text) - len(rest)
		}
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
}
