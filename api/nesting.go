package api

import (
	"fmt"
	"io"
)

// maxNesting bounds how deep JSON may be nested. One level of a context is three in the message that it
// becomes, and gRPC refuses messages of 10,000 levels as if the fault were the server's.
const maxNesting = 1000

var errTooDeep = fmt.Errorf("JSON is nested deeper than %d levels", maxNesting)

// nesting counts the levels of JSON that comes in pieces. Text that is not JSON it may count wrongly;
// the decoder refuses that anyway.
type nesting struct {
	levels           int
	inString, escape bool
}

// tooDeep reports whether the next piece opens more than maxNesting levels.
func (n *nesting) tooDeep(piece []byte) bool {
	for _, c := range piece {
		switch {
		case n.escape:
			n.escape = false
		case n.inString:
			n.escape, n.inString = c == '\\', c != '"'
		case c == '"':
			n.inString = true
		case c == '{' || c == '[':
			n.levels++
		case c == '}' || c == ']':
			n.levels--
		}
		if n.levels > maxNesting {
			return true
		}
	}
	return false
}

// flatBody fails at JSON that is nested too deeply.
type flatBody struct {
	io.ReadCloser
	nesting nesting
}

func (b *flatBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.nesting.tooDeep(p[:n]) {
		return 0, errTooDeep
	}
	return n, err
}
