package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// color is an ANSI colour. Colour is used on a terminal alone.
type color string

const (
	red    color = "31"
	yellow color = "33"
	green  color = "32"
	faint  color = "2"
	bold   color = "1"
)

func (a *app) paintOut(c color, text string) string { return paint(a.outTerminal, c, text) }
func (a *app) paintErr(c color, text string) string { return paint(a.errTerminal, c, text) }

func paint(terminal bool, c color, text string) string {
	if !terminal {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func (a *app) json() bool { return a.output == "json" }

// printf writes a line of the answer.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// talkf writes a line for the person who watches; it is never part of the answer.
func (a *app) talkf(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// printMessage writes an API message in the API's JSON form, with what the server said about the
// revision in fields named like the headers.
func (a *app) printMessage(m proto.Message, header metadata.MD) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	var stamp []string
	for _, key := range []string{headerRevision, headerToken} {
		if values := header.Get(key); len(values) > 0 {
			value, err := json.Marshal(values[0])
			if err != nil {
				return fmt.Errorf("encode the answer: %w", err)
			}
			stamp = append(stamp, fmt.Sprintf("%q:%s", key, value))
		}
	}
	if len(stamp) > 0 {
		data = bytes.TrimSuffix(bytes.TrimSpace(data), []byte("}"))
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(data, strings.Join(stamp, ",")+"}"...)
	}
	return a.printRaw(data)
}

// printJSON writes any value as indented JSON.
func (a *app) printJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return a.printRaw(data)
}

func (a *app) printRaw(data []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	indented.WriteByte('\n')
	_, err := a.out.Write(indented.Bytes())
	return err
}

// printTable writes rows in aligned columns under a header.
func (a *app) printTable(header []string, rows [][]string) error {
	shown := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			shown[i] = append(shown[i], legible(cell))
		}
	}
	return a.printCells(header, shown)
}

// printCells is printTable of cells that are legible, or painted.
func (a *app) printCells(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// legible returns a text in one line and without what a terminal takes as a command: ids and names are others' choice.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// thousands writes n with commas: 1234567 is "1,234,567".
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
