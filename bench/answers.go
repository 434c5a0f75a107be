package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// What a run looks at in an answer, without decoding the rest.

// allowed reads the answer of a Check.
func (p Protocol) allowed(answer []byte) (bool, error) {
	if p == HTTP {
		_, value, found := bytes.Cut(answer, []byte(`"allowed"`))
		return found && bytes.HasPrefix(bytes.TrimLeft(value, ": \t\n"), []byte("true")), nil
	}
	is := false
	err := eachField(answer, func(number protowire.Number, value uint64, _ []byte) {
		if number == 1 {
			is = value != 0
		}
	})
	return is, err
}

// results counts the objects or users of an answer: they are field 1 of each message, and the whole of a
// streamed one.
func (p Protocol) results(m *method, answer []byte) (int, error) {
	if m.stream {
		return 1, nil
	}
	if p == HTTP {
		var list struct {
			Objects []json.RawMessage `json:"objects"`
			Users   []json.RawMessage `json:"users"`
		}
		err := json.Unmarshal(answer, &list)
		return len(list.Objects) + len(list.Users), err
	}
	n := 0
	err := eachField(answer, func(number protowire.Number, _ uint64, _ []byte) {
		if number == 1 {
			n++
		}
	})
	return n, err
}

// batch reads the answers of a BatchCheck whose correlation ids are 0 to n-1.
func (t Target) batch(answer []byte, n int) ([]bool, error) {
	var decoded openfgav1.BatchCheckResponse
	if err := t.decode(answer, &decoded); err != nil {
		return nil, err
	}
	answers := make([]bool, n)
	for i := range n {
		result, ok := decoded.GetResult()[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("the answer of a batch of %d lacks question %d", n, i)
		}
		if fault := result.GetError(); fault != nil {
			return nil, fmt.Errorf("question %d of a batch: %s", i, fault.GetMessage())
		}
		answers[i] = result.GetAllowed()
	}
	return answers, nil
}

// batchOutcome counts the answers of a BatchCheck and those that allow. A question that the server could
// not answer, and says so in a batch that is otherwise good, is an error.
func (p Protocol) batchOutcome(answer []byte) (answered, allowed int, err error) {
	if p == HTTP {
		answered = bytes.Count(answer, []byte(`"allowed"`))
		for rest := answer; ; {
			_, after, found := bytes.Cut(rest, []byte(`"allowed"`))
			if !found {
				break
			}
			if bytes.HasPrefix(bytes.TrimLeft(after, ": \t\n"), []byte("true")) {
				allowed++
			}
			rest = after
		}
		if bytes.Contains(answer, []byte(`"error"`)) {
			err = errBatchItem
		}
		return answered, allowed, err
	}
	fault := error(nil)
	err = eachField(answer, func(_ protowire.Number, _ uint64, entry []byte) { // result: key and value
		answered++
		fault = errors.Join(fault, eachField(entry, func(number protowire.Number, _ uint64, result []byte) {
			if number != 2 {
				return
			}
			fault = errors.Join(fault, eachField(result, func(number protowire.Number, value uint64, _ []byte) {
				switch {
				case number == 1 && value != 0:
					allowed++
				case number == 2:
					fault = errBatchItem
				}
			}))
		}))
	})
	return answered, allowed, errors.Join(err, fault)
}

// errBatchItem is a question of a batch that the server could not answer.
var errBatchItem = errors.New("a question of a batch has an error for an answer")

// eachField visits the fields of an encoded message: numbers by value, bytes as they are.
func eachField(message []byte, visit func(number protowire.Number, value uint64, data []byte)) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		visit(number, value, data)
		message = message[n:]
	}
	return nil
}

// streamed reads the object of one message of a streamed list.
func (p Protocol) streamed(answer []byte) (string, error) {
	if p == HTTP {
		var line struct {
			Result struct {
				Object string `json:"object"`
			} `json:"result"`
		}
		err := json.Unmarshal(answer, &line)
		return line.Result.Object, err
	}
	object := ""
	err := eachField(answer, func(number protowire.Number, _ uint64, data []byte) {
		if number == 1 {
			object = string(data)
		}
	})
	return object, err
}
