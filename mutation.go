package ostiary

// Mutation is the one way to change state: everything that a request of any surface changes, in one
// value that commits as a whole or not at all. It travels as one entry of the replicated log, so
// everything that could differ between nodes (times, ids, judgements about models) is decided before
// it is proposed and stands in it. DESIGN section 4.
//
// The order of effect is: preconditions are judged against the state before the mutation; then filter
// deletes, tuple changes and documents take effect, each in the order given.
type Mutation struct {
	// TimeNanos is the proposer's time in nanoseconds since 1970 UTC. The leader raises it so that
	// time in the log never goes back.
	TimeNanos int64
	// Principal is who asked for it.
	Principal Principal
	// RequestID ties the change to a request in logs and audit. May be empty.
	RequestID string
	// Method, Origin and Store say for the audit which call asked for it, from which address, and about which
	// store; see Call. They are empty where nobody did, and need a MinVersion of ReleaseAudit.
	Method, Origin, Store string
	// IdempotencyKey makes a retry safe: a mutation whose key one of the same principal had before changes
	// nothing and answers the receipt of that one, or fails with ErrConflict where it is of another request.
	// Set it with Once. Empty means none.
	IdempotencyKey string
	// MinVersion is the lowest release number that understands the mutation. Zero means any.
	MinVersion uint32
	// Observed, when not zero, says that none of the tuples that the mutation creates or touches was
	// stored at that revision, from whatever owner: the proposer has looked for each of them in a view.
	// Who applies the mutation may trust it instead of looking again, while it knows that none of them
	// was written since. Zero says nothing.
	Observed Revision

	Preconditions []Precondition
	Filters       []FilterDelete
	Tuples        []TupleChange
	Documents     []DocumentChange
	Outbox        []OutboxRule
}

// PreconditionKind says what a Precondition demands.
type PreconditionKind uint8

// The kinds of precondition. Numbers are part of command codec v1 and never change.
const (
	// DocumentAtVersion: the document exists at Version; Version zero means that it does not exist.
	DocumentAtVersion PreconditionKind = 1
	// TuplePresent: the tuple exists, from whatever owner.
	TuplePresent PreconditionKind = 2
	// TupleAbsent: the tuple does not exist.
	TupleAbsent PreconditionKind = 3
	// FilterMatchesNothing: no tuple matches Filter.
	FilterMatchesNothing PreconditionKind = 4
	// TupleAlone: the tuple exists, from whatever owner, and its object has no other of its relation. It
	// needs a MinVersion of ReleaseTupleAlone: RestOnAlone sets both.
	TupleAlone PreconditionKind = 5
	// FilterOwnedAlone: of the tuples that match Filter but for its Owner, none holds by a grant of another
	// owner than Filter.Owner. It needs a MinVersion of ReleaseFilters: RestOnOwner sets both.
	FilterOwnedAlone PreconditionKind = 6
	// WithinQuota: the mutation leaves Store with no more tuples than its quota, or with no more than it had. It needs a
	// MinVersion of ReleaseQuotas: RestOnQuota sets both. Where it does not hold the mutation fails with ErrQuota.
	WithinQuota PreconditionKind = 7
)

// Precondition must hold, or the mutation changes nothing and fails with a *PreconditionError.
type Precondition struct {
	Kind     PreconditionKind
	Document DocumentKey // DocumentAtVersion
	Version  Revision    // DocumentAtVersion
	Store    string      // TuplePresent, TupleAbsent, TupleAlone, WithinQuota
	Tuple    Tuple       // TuplePresent, TupleAbsent, TupleAlone
	Filter   Filter      // FilterMatchesNothing, FilterOwnedAlone
}

// ReleaseTupleAlone is the release number (Mutation.MinVersion) of the first release that judges TupleAlone.
const ReleaseTupleAlone = 2

// RestOnAlone makes m demand that a tuple be there and that its object have no other of its relation.
func (m *Mutation) RestOnAlone(store string, t Tuple) {
	m.Preconditions = append(m.Preconditions, Precondition{Kind: TupleAlone, Store: store, Tuple: t})
	m.MinVersion = max(m.MinVersion, ReleaseTupleAlone)
}

// ReleaseFilters is the release number (Mutation.MinVersion) of the first release that judges FilterOwnedAlone
// and whose filters may name AnyRelation, or an owner beside an object or a subject.
const ReleaseFilters = 2

// RestOnOwner makes m demand that what matches a filter, which names no owner, holds by grants of one owner alone.
func (m *Mutation) RestOnOwner(f Filter, owner string) {
	f.Owner = owner
	m.Preconditions = append(m.Preconditions, Precondition{Kind: FilterOwnedAlone, Filter: f})
	m.MinVersion = max(m.MinVersion, ReleaseFilters)
}

// TupleOp says what a TupleChange does.
type TupleOp uint8

// The tuple operations. Numbers are part of command codec v1 and never change.
const (
	// TupleCreate adds the owner's grant. A grant of the same owner that is there fails the mutation
	// with ErrTupleExists, or with ErrConflict when its condition or expiry differs.
	TupleCreate TupleOp = 1
	// TupleTouch adds the owner's grant or replaces it.
	TupleTouch TupleOp = 2
	// TupleDelete removes the owner's grant. Without one, the mutation fails with ErrTupleMissing;
	// when the grant of another owner would keep the tuple, with ErrTupleOwned.
	TupleDelete TupleOp = 3
	// TupleRelease removes the owner's grant where there is one. Other owners' grants stay. It is
	// what a connector does with its own tuples.
	TupleRelease TupleOp = 4
)

// TupleChange changes one owner's grant of one tuple. For TupleDelete and TupleRelease only the owner
// of the grant counts.
type TupleChange struct {
	Op    TupleOp
	Store string
	Tuple Tuple
	Grant Grant
	// IfExists, with TupleCreate, makes an identical grant that is there a success without effect
	// (OpenFGA: on_duplicate: ignore).
	IfExists bool
	// IfMissing, with TupleDelete, makes an absent tuple a success without effect (OpenFGA:
	// on_missing: ignore).
	IfMissing bool
}

// AnyRelation, as the relation of a filter's Subject, stands for every relation: every userset of an object.
const AnyRelation = "*"

// Filter selects tuples of one store by an indexed prefix: by object, by subject, or by owner. Exactly one of
// Object and Subject is set, or neither and Owner; the others narrow what the prefix yields.
type Filter struct {
	Store string
	// Object selects the tuples of one object; an empty Object.ID selects all objects of the type.
	Object ObjectRef
	// Subject selects the tuples of one subject, exactly; with AnyRelation, of all usersets of an object.
	Subject SubjectRef
	// Owner selects the tuples that hold a grant of one owner.
	Owner string
	// Relation, when not empty, narrows to one relation.
	Relation string
	// ObjectType, when not empty, narrows a Subject or Owner filter to objects of one type.
	ObjectType string
}

// FilterDelete deletes every tuple that matches, resolved when the mutation is applied. With an Owner
// filter only that owner's grants go. A match of more than Max tuples fails the mutation with
// ErrTooBroad and the count.
type FilterDelete struct {
	Filter Filter
	Max    uint32 // zero means MaxFilterRows
}

// MaxFilterRows bounds what one filter delete may match.
const MaxFilterRows = 1_000_000

// DocumentKey names a document: a collection ("store", "model/<store>", …) and a key in it. Neither
// holds a NUL byte.
type DocumentKey struct {
	Collection string
	Key        string
}

// ShredPrefix begins the collections whose documents leave no history: once one is deleted, no view shows
// it any more, whatever the revision. It is for keys that must be destroyed.
const ShredPrefix = "shred/"

// String returns "collection/key".
func (k DocumentKey) String() string { return k.Collection + "/" + k.Key }

// Document is a stored document.
type Document struct {
	Key     DocumentKey
	Version Revision // of its last change
	Body    []byte   // opaque to storage
}

// DocumentChange puts or deletes one document. Deleting what does not exist has no effect.
type DocumentChange struct {
	Key    DocumentKey
	Delete bool
	Body   []byte // for a put
}

// OutboxRule asks that something be told to the outside once the mutation is committed. Kind names a
// rule that the applying side knows; Args are its parameters. No kind exists: docs/adr/0012-outbox.md
// says why, and that form 1 of the log keeps its place.
type OutboxRule struct {
	Kind string
	Args []byte
}

// Receipt is what a committed mutation answers.
type Receipt struct {
	Revision Revision // of the mutation
	// Changed is false when every change was a success without effect.
	Changed bool
	// TimeNanos is the stamp the mutation was applied with.
	TimeNanos int64
	// Repeated is true for a mutation that changed nothing because an earlier one had its idempotency key:
	// the rest is the receipt of that one.
	Repeated bool
}

// ChangeOp says what happened to a tuple, in the changelog.
type ChangeOp uint8

// The changelog operations. Numbers are part of the storage format and never change.
const (
	ChangeWrite  ChangeOp = 1 // a grant was added or replaced
	ChangeDelete ChangeOp = 2 // a grant was removed
)

// Change is one row of the changelog.
type Change struct {
	Revision  Revision
	Sequence  uint32 // place within the revision
	Op        ChangeOp
	Tuple     Tuple
	Grant     Grant // the grant that was added or removed
	TimeNanos int64
	Principal Principal
}
