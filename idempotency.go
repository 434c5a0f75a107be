package ostiary

import (
	"crypto/sha256"
	"strings"
)

// ReleaseIdempotency is the release number (Mutation.MinVersion) of the first release that judges
// idempotency keys.
const ReleaseIdempotency = 2

// digestBytes is how much of the SHA-256 of a request tells it from others under the same key.
const digestBytes = 16

// Once makes m a mutation that takes effect once, however often a client repeats the request: key is the
// client's name for the request, and request tells whether what comes under that name is the same. Keys of
// two principals have nothing to do with each other.
func (m *Mutation) Once(key string, request []byte) {
	sum := sha256.Sum256(request)
	m.IdempotencyKey = key + "\x00" + string(sum[:digestBytes])
	m.MinVersion = max(m.MinVersion, ReleaseIdempotency)
}

// CutIdempotencyKey returns the client's key and the digest of the request, and false where text is not
// what Once makes.
func CutIdempotencyKey(text string) (key, digest string, ok bool) {
	key, digest, ok = strings.Cut(text, "\x00")
	return key, digest, ok && key != "" && len(digest) == digestBytes
}

// Remembered is what became of the mutation that first came with an idempotency key. Only a mutation that
// took effect is remembered: one that was refused changed nothing, and its repetition is judged anew.
type Remembered struct {
	Receipt Receipt // its Repeated is true
	Digest  string
	// Document is the key of the first document that it changed, or zero: what a request created.
	Document DocumentKey
}
