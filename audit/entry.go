package audit

import (
	"encoding/hex"
	"fmt"

	"github.com/ostiary/ostiary"
)

// Hash is a SHA-256.
type Hash [32]byte

// String returns the digits of h.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash is the inverse of String.
func ParseHash(text string) (h Hash, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return h, fmt.Errorf("hash %.80q is not %d hexadecimal digits: %w", text, 2*len(h), ostiary.ErrTokenInvalid)
	}
	return Hash(raw), nil
}

// Kind says what a row tells of. Numbers are part of the format and never change.
type Kind byte

// The kinds of row, in the order in which those of one revision lie.
const (
	// Beginning is the first row of what is kept: nothing is known of what was before, or it was deleted as the
	// retention has it, and the hash is that of the last row that was.
	Beginning Kind = 0
	// Change is a mutation that changed something.
	Change Kind = 1
	// Restored says that a new cluster was made from backups of another one, whose rows are before it.
	Restored Kind = 2
)

// String returns the name of k.
func (k Kind) String() string {
	switch k {
	case Beginning:
		return "beginning"
	case Change:
		return "change"
	case Restored:
		return "restored"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Place is where a row lies: rows are ordered by revision, then by kind.
type Place struct {
	Revision ostiary.Revision
	Kind     Kind
}

// Entry is one row.
type Entry struct {
	Place
	Hash Hash // of the row and of the one before it

	Trimmed bool // of a Beginning: rows before it were deleted; Hash is that of the last of them

	// Of a Change.
	TimeNanos int64 // the stamp of the mutation
	Principal ostiary.Principal
	RequestID string
	Method    string // of gRPC, or of HTTP and the path; empty where the server did it by itself
	Origin    string // the address that the request came from
	Store     string // that the change is about; empty: about the cluster
	Digest    Hash   // of the rows that the mutation wrote
	Counts
	Items []Item // the first of what was changed

	// Of a Restored.
	From, To ostiary.ClusterID
	// Newest is the newest revision of the backups. Rows from after the restored revision were dropped, and Dropped
	// is the hash of the last of them; zero where there was none.
	Newest  ostiary.Revision
	Dropped Hash
	// Begins and BeganWith are the revision and the hash of the beginning, where rows before it were deleted.
	Begins    ostiary.Revision
	BeganWith Hash
}

// Counts is how much a mutation changed.
type Counts struct {
	TuplesWritten, TuplesDeleted, DocumentsPut, DocumentsDeleted uint64
}

// Total is the sum of the counts.
func (c Counts) Total() uint64 {
	return c.TuplesWritten + c.TuplesDeleted + c.DocumentsPut + c.DocumentsDeleted
}

// ItemKind says what became of an item. Numbers are part of the format and never change.
type ItemKind byte

// The kinds of item.
const (
	TupleWritten    ItemKind = '+'
	TupleDeleted    ItemKind = '-'
	DocumentPut     ItemKind = 'p'
	DocumentDeleted ItemKind = 'd'
	// RowsDeleted: rows of the audit up to a place were deleted. The item's name is the place and the hash of the
	// last of them: trimmedName.
	RowsDeleted ItemKind = 'a'
)

// Item is one thing that a mutation changed.
type Item struct {
	Kind ItemKind
	// Name is a tuple as in "doc:1#viewer@user:ann", or the collection and the key of a document with a slash
	// between.
	Name      string
	Owner     string // of the grant, where it is not "api"
	Condition string // of the grant
}

// String returns the item as people read it.
func (i Item) String() string {
	text := string(rune(i.Kind)) + " " + i.Name
	if i.Condition != "" {
		text += " with " + i.Condition
	}
	if i.Owner != "" {
		text += " by " + i.Owner
	}
	return text
}

// Bounds of the list of items in one row. What is beyond them is in the counts and the digest.
const (
	MaxItems     = 100
	MaxItemBytes = 16 << 10
)

// Head is the newest row.
type Head struct {
	Place
	Hash Hash
}

// String is the text by which a head is kept elsewhere: "revision/kind/hash".
func (h Head) String() string { return fmt.Sprintf("%d/%d/%s", h.Revision, h.Kind, h.Hash) }

// ParseHead is the inverse of String.
func ParseHead(text string) (h Head, err error) {
	var digits string
	if _, err := fmt.Sscanf(text, "%d/%d/%s", &h.Revision, &h.Kind, &digits); err != nil {
		return Head{}, fmt.Errorf("head %.100q is not REVISION/KIND/HASH: %w", text, ostiary.ErrTokenInvalid)
	}
	if h.Hash, err = ParseHash(digits); err != nil || h.String() != text {
		return Head{}, fmt.Errorf("head %.100q is not REVISION/KIND/HASH: %w", text, ostiary.ErrTokenInvalid)
	}
	return h, nil
}
