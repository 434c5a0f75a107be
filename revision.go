package ostiary

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// Revision is a point in the history of a cluster: the Raft log index of a write. Revisions of one
// cluster only grow. Zero is before the first write.
type Revision uint64

// ClusterID names a cluster. It is drawn once, when the cluster is formed, and again at a restore.
type ClusterID [16]byte

// Token is a consistency token: opaque text that holds a revision of one cluster. A client that sends
// it back asks for an answer at least as new. (The Zanzibar paper, section 2.4, calls it a zookie.)
type Token string

// tokenVersion is the first byte of every token. A later form takes the next number.
const tokenVersion = 1

// tokenBytes is version, cluster id, revision, and the first four bytes of the SHA-256 of those.
const tokenBytes = 1 + 16 + 8 + 4

// NewToken returns the token of a revision of a cluster.
func NewToken(cluster ClusterID, r Revision) Token {
	buf := make([]byte, 0, tokenBytes)
	buf = append(buf, tokenVersion)
	buf = append(buf, cluster[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(r))
	sum := sha256.Sum256(buf)
	buf = append(buf, sum[:4]...)
	return Token(base64.RawURLEncoding.EncodeToString(buf))
}

// Revision returns the revision that t holds. The error is ErrTokenInvalid when t is damaged, of an
// unknown version, or was made by another cluster.
func (t Token) Revision(cluster ClusterID) (Revision, error) {
	buf, err := base64.RawURLEncoding.DecodeString(string(t))
	if err != nil || len(buf) != tokenBytes || buf[0] != tokenVersion {
		return 0, fmt.Errorf("read consistency token %.64q: %w", string(t), ErrTokenInvalid)
	}
	sum := sha256.Sum256(buf[:tokenBytes-4])
	if string(sum[:4]) != string(buf[tokenBytes-4:]) {
		return 0, fmt.Errorf("read consistency token %.64q: checksum differs: %w", string(t), ErrTokenInvalid)
	}
	if ClusterID(buf[1:17]) != cluster {
		return 0, fmt.Errorf("read consistency token %.64q: it was made by another cluster: %w", string(t), ErrTokenInvalid)
	}
	return Revision(binary.BigEndian.Uint64(buf[17:25])), nil
}

// Freshness says how new a view must be. The zero value is this node's newest view.
type Freshness struct {
	// AtLeast asks for a view at this revision or later.
	AtLeast Revision
	// At asks for the view at exactly this revision. Zero means the newest.
	At Revision
	// Linearizable asks for a view that holds every write acknowledged before the question was put.
	Linearizable bool
	// MaxStaleness bounds how old the view may be: everything acknowledged longer ago is in it. A node
	// that cannot say so fails with ErrStale. Zero leaves it to the node's own setting, which may be no
	// bound. It counts neither for a linearizable view, which is not old, nor with At.
	MaxStaleness time.Duration
}
