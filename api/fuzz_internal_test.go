package api

import (
	"bytes"
	"io"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// What the short way of reading JSON takes, the usual one reads alike.
func FuzzPlainJSON(f *testing.F) {
	for _, seed := range []string{
		`{"tuple_key":{"user":"user:anne","relation":"viewer","object":"doc:1"},"consistency":"HIGHER_CONSISTENCY"}`,
		`{"checks":[{"tuple_key":{"user":"user:anne","relation":"viewer","object":"doc:1"},"correlation_id":"a"}]}`,
		`{"type":"doc","relation":"viewer","user":"user:anne","authorization_model_id":"01JZ0000000000000000000000"}`,
		`{"tuple_key":{"user":"user:\u00e4","relation":"","object":"doc:1"}}`,
		`{"type":"a","type":"b"} `, `{}`, `[]`, `{"context":{}}`, `{"consistency":100}`, "{\"type\":\"a\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	const store = "01JZ0000000000000000000000"
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, way := range []struct {
			read  func(string, []byte) (proto.Message, bool)
			usual func() proto.Message
		}{
			{readCheck, func() proto.Message { return &openfgav1.CheckRequest{} }},
			{readBatchCheck, func() proto.Message { return &openfgav1.BatchCheckRequest{} }},
			{readListObjects, func() proto.Message { return &openfgav1.ListObjectsRequest{} }},
		} {
			got, ok := way.read(store, bytes.Clone(body))
			if !ok {
				continue
			}
			want := way.usual()
			if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, want); err != nil {
				t.Fatalf("%q is read as %v, and the usual way refuses it: %v", body, got, err)
			}
			fields := want.ProtoReflect()
			fields.Set(fields.Descriptor().Fields().ByName("store_id"), got.ProtoReflect().Get(got.ProtoReflect().Descriptor().Fields().ByName("store_id")))
			if !proto.Equal(got, want) {
				t.Errorf("%q is read as %v, and the usual way as %v", body, got, want)
			}
		}
	})
}

// No body that the bound on nesting lets through is nested more deeply, however it comes in pieces.
func FuzzNesting(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"}]{["},"\"{"]}`), 3)
	f.Add([]byte(strings.Repeat("[", 2*maxNesting)), 1)
	f.Add([]byte(strings.Repeat(`{"a":`, maxNesting)+`"{{{\\"`), 7)
	f.Fuzz(func(t *testing.T, body []byte, piece int) {
		if piece < 1 || piece > len(body)+1 {
			return
		}
		flat := &flatBody{ReadCloser: io.NopCloser(bytes.NewReader(body))}
		deep, buffer := false, make([]byte, piece)
		for {
			_, err := flat.Read(buffer)
			if err != nil {
				deep = err != io.EOF
				break
			}
		}
		whole := nesting{}
		if deep != whole.tooDeep(body) {
			t.Errorf("%q in pieces of %d is too deep: %t, as a whole: %t", body, piece, deep, !deep)
		}
	})
}

// A file of keys is read as a whole or refused; no error shows a key, and a refused file leaves the keys as they were.
func FuzzNamedKeys(f *testing.F) {
	const known = "0123456789abcdef-known"
	f.Add([]byte("ops a-key-of-sixteen-or-more\nshop sha256:" + strings.Repeat("ab", 32) + "\n# nothing\n\n"))
	f.Add([]byte("ops short"))
	f.Add([]byte("ops sha256:xyz\nops\n"))
	f.Add([]byte("\xff \x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := NewNamedKeys([]byte("first " + known + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Replace(text); err != nil {
			if k.Len() != 1 {
				t.Errorf("%q is refused, and %d keys count", text, k.Len())
			}
			for line := range bytes.Lines(text) {
				fields := bytes.Fields(line)
				if len(fields) > 1 && len(fields[1]) >= 16 && bytes.Contains([]byte(err.Error()), fields[1]) && !bytes.Contains(fields[0], fields[1]) {
					t.Errorf("the error shows the key: %v", err)
				}
			}
			return
		}
		if k.Len() > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%q has %d keys", text, k.Len())
		}
	})
}
