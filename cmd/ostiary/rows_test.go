package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// readAll renders every row of a text as "line: tuple" or "line: ! fault | raw".
func readAll(t *testing.T, text, format string) []string {
	t.Helper()
	rows, err := newRowReader(strings.NewReader(text), format)
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var got []string
	end := int64(0)
	for {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			return append(got, "error: "+err.Error())
		}
		if r.end <= end || r.end > int64(len(text))+1 {
			t.Errorf("line %d ends at byte %d, after %d, of %d", r.line, r.end, end, len(text))
		}
		end = r.end
		if r.fault != nil {
			got = append(got, fmt.Sprintf("%d: ! %v | %s", r.line, r.fault, r.raw))
			continue
		}
		got = append(got, fmt.Sprintf("%d: %s", r.line, tupleText(r.key)))
	}
}

func TestReadRows(t *testing.T) {
	const header = "user_type,user_id,user_relation,relation,object_type,object_id\n"
	for _, c := range []struct {
		name, format, text string
		want               []string
	}{
		{"csv", formatCSV, header + "user,ann,,viewer,doc,1\ngroup,eng,member,viewer,doc,1\nuser,*,,viewer,doc,2",
			[]string{"2: doc:1#viewer@user:ann", "3: doc:1#viewer@group:eng#member", "4: doc:2#viewer@user:*"}},
		{"csv with columns in another order", formatCSV, "object_id,object_type,relation,user_id,user_type\n1,doc,viewer,ann,user\n",
			[]string{"2: doc:1#viewer@user:ann"}},
		{"csv with byte order mark, carriage returns, comments and empty lines", formatCSV,
			"\ufeffuser_type,user_id,relation,object_type,object_id\r\n# a comment\r\n\r\nuser,ann,viewer,doc,1\r\n",
			[]string{"4: doc:1#viewer@user:ann"}},
		{"csv with a condition", formatCSV,
			"user_type,user_id,relation,object_type,object_id,condition_name,condition_context\nuser,ann,viewer,doc,1,office,\"{\"\"ip\"\":1}\"\n",
			[]string{"2: doc:1#viewer@user:ann [office]"}},
		{"csv with a context and no condition", formatCSV,
			"user_type,user_id,relation,object_type,object_id,condition_name,condition_context\nuser,ann,viewer,doc,1,,{}\n",
			[]string{"2: ! there is a context of a condition but no name | user,ann,viewer,doc,1,,{}"}},
		{"csv with faulty rows", formatCSV, header + "user,ann,,viewer\nuser,a b,,viewer,doc,1\nuser,,,viewer,doc,1\nuser,bob,,viewer,doc,1\n",
			[]string{
				"2: ! 4 fields where the header has 6 | user,ann,,viewer",
				`3: ! user "user:a b" has white space | user,a b,,viewer,doc,1`,
				"4: ! the field user_id is empty | user,,,viewer,doc,1",
				"5: doc:1#viewer@user:bob",
			}},
		{"csv with a quoted line break", formatCSV, header + "user,\"a\nb\",,viewer,doc,1\nuser,bob,,viewer,doc,1\n",
			[]string{"2: ! user \"user:a\\nb\" has white space | user,\"a\nb\",,viewer,doc,1", "4: doc:1#viewer@user:bob"}},
		{"csv with a stray quote", formatCSV, header + "user,a\"b,,viewer,doc,1\nuser,bob,,viewer,doc,1\n",
			[]string{`2: ! not CSV: bare " in non-quoted-field | user,a"b,,viewer,doc,1`, "3: doc:1#viewer@user:bob"}},
		{"csv with an unknown column", formatCSV, "user_type,user_id,relation,object_type,object_id,colour\n",
			[]string{`error: the header has the unknown column "colour"; the columns are user_type, user_id, user_relation, relation, object_type, object_id, condition_name, condition_context`}},
		{"csv with a column twice", formatCSV, "user_type,user_type\n", []string{`error: the header has the column "user_type" twice`}},
		{"csv without a column", formatCSV, "user_type,user_id,relation,object_type\n",
			[]string{`error: the header lacks the column "object_id"; it has user_type,user_id,relation,object_type`}},
		{"empty csv", formatCSV, "", []string{"error: the file is empty: a CSV file begins with the header user_type,user_id,user_relation,relation,object_type,object_id,condition_name,condition_context"}},
		{"csv with a quote that is never closed", formatCSV, header + "user,ann,,viewer,doc,1\n\"" + strings.Repeat("x,\n", maxRowBytes/2),
			[]string{"2: doc:1#viewer@user:ann", fmt.Sprintf("error: line 3: %v", errRowTooLong)}},

		{"json lines", formatJSONL, `{"user":"user:ann","relation":"viewer","object":"doc:1"}` + "\n\n# comment\n" +
			`{"user":"user:bob","relation":"viewer","object":"doc:1","condition":{"name":"office","context":{"ip":"x"}}}`,
			[]string{"1: doc:1#viewer@user:ann", "4: doc:1#viewer@user:bob [office]"}},
		{"json lines with faulty rows", formatJSONL, "{\n" + `{"user":"user:ann","relation":"viewer","object":"doc"}` + "\n" + `{"subject":1}` + "\n" + `{} {}` + "\n",
			[]string{
				"1: ! not a tuple in JSON: unexpected EOF | {",
				`2: ! object "doc" is not of the form type:id | {"user":"user:ann","relation":"viewer","object":"doc"}`,
				`3: ! not a tuple in JSON: json: unknown field "subject" | {"subject":1}`,
				`4: ! not a tuple in JSON: something follows the object | {} {}`,
			}},
		{"json array", formatJSON, "\n[\n" + `{"user":"user:ann","relation":"viewer","object":"doc:1"},` + "\n\n" + `{"user":"user:bob",` + "\n" + `"relation":"viewer","object":"doc:1"}, {"user":"user:c"}` + "\n]\n",
			[]string{"3: doc:1#viewer@user:ann", "5: doc:1#viewer@user:bob", `6: ! object "" is not of the form type:id | {"user":"user:c"}`}},
		{"empty json array", formatJSON, "[]", nil},
		{"json array that is not closed", formatJSON, `[{"user":"user:ann","relation":"viewer","object":"doc:1"}`,
			[]string{"1: doc:1#viewer@user:ann", "error: line 1: not JSON: the array is not closed"}},
		{"json array with broken syntax", formatJSON, "[\n{]", []string{"error: line 1: not JSON: invalid character ']' looking for beginning of object key string"}},
		{"json lines in a file called json", formatJSON, `{"user":"user:ann","relation":"viewer","object":"doc:1"}`, []string{"1: doc:1#viewer@user:ann"}},
		{"empty json lines", formatJSONL, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := readAll(t, c.text, c.format)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestWrittenRowsAreRead shows that every form that export writes is read back as it was.
func TestWrittenRowsAreRead(t *testing.T) {
	const lines = `{"user":"user:ann","relation":"viewer","object":"doc:a,b"}
{"user":"group:eng#member","relation":"viewer","object":"doc:\"q\"","condition":{"name":"office","context":{"hours":[9,17],"ip":"10.0.0.0/8"}}}
{"user":"user:*","relation":"viewer","object":"doc:2","condition":{"name":"always"}}
`
	for _, format := range []string{formatCSV, formatJSON, formatJSONL} {
		t.Run(format, func(t *testing.T) {
			copied := copyRows(t, lines, formatJSONL, format)
			if back := copyRows(t, copied, format, formatJSONL); back != lines {
				t.Errorf("got\n%s\nwant\n%s\nby way of\n%s", back, lines, copied)
			}
		})
		t.Run(format+" of nothing", func(t *testing.T) {
			if back := copyRows(t, copyRows(t, "", formatJSONL, format), format, formatJSONL); strings.TrimSpace(back) != "" {
				t.Errorf("got %q out of nothing", back)
			}
		})
	}
}

func copyRows(t *testing.T, text, from, to string) string {
	t.Helper()
	rows, err := newRowReader(strings.NewReader(text), from)
	if err != nil {
		t.Fatal(err)
	}
	var copied bytes.Buffer
	out := newRowWriter(&copied, to)
	for {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, r.fault); err != nil {
			t.Fatal(err)
		}
		if err := out.write(r.key); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	return copied.String()
}
