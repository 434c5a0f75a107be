package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// Cursor is a place in the results of a query at one revision.
type Cursor struct {
	Revision uint64
	Offset   uint64 // results before it
	After    string // the id of the last result before it
	// MadeNanos is when the first page was answered.
	MadeNanos int64
}

const (
	cursorVersion = 1
	macBytes      = 16
	cursorBytes   = 1 + 8 + 8 + 8 // without After and the authenticator
)

// Seal writes a cursor for the next page of a query: version, revision, offset, time, id, and the first 16
// bytes of an HMAC-SHA256 over these, the connection and the query. The text is fit for URLs.
func (c Cursor) Seal(key []byte, connection, query string) string {
	buf := make([]byte, 0, cursorBytes+len(c.After)+macBytes)
	buf = append(buf, cursorVersion)
	buf = binary.BigEndian.AppendUint64(buf, c.Revision)
	buf = binary.BigEndian.AppendUint64(buf, c.Offset)
	buf = binary.BigEndian.AppendUint64(buf, uint64(c.MadeNanos))
	buf = append(buf, c.After...)
	return base64.RawURLEncoding.EncodeToString(append(buf, authenticator(key, buf, connection, query)...))
}

// Open reads a cursor that Seal wrote. The error is 400 invalidCursor.
func Open(text string, key []byte, connection, query string) (Cursor, error) {
	buf, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(buf) < cursorBytes+macBytes || buf[0] != cursorVersion {
		return Cursor{}, scimerr.Bad(scimerr.InvalidCursor, "the cursor is none of this server's")
	}
	body, mac := buf[:len(buf)-macBytes], buf[len(buf)-macBytes:]
	if !hmac.Equal(mac, authenticator(key, body, connection, query)) {
		return Cursor{}, scimerr.Bad(scimerr.InvalidCursor,
			"the cursor belongs to another query: send the same filter, sortBy and sortOrder with each page")
	}
	return Cursor{
		Revision:  binary.BigEndian.Uint64(body[1:]),
		Offset:    binary.BigEndian.Uint64(body[9:]),
		MadeNanos: int64(binary.BigEndian.Uint64(body[17:])),
		After:     string(body[cursorBytes:]),
	}, nil
}

func authenticator(key, body []byte, connection, query string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range [][]byte{body, []byte(connection), []byte(query)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return h.Sum(nil)[:macBytes]
}
