package outbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
)

// Delivery is something that is to be told to one target.
type Delivery struct {
	// ID is the same at each attempt, and no other delivery's. Targets may know it.
	ID    string
	Store string
	Kind  string // Kind.Name, without a "/"
	To    string // whom: the id of a webhook, application, …, without a "/"
	Event string // the id of the event
	// Organization, User and Session are what it is about. Those that the kind does not need may be empty.
	Organization, User, Session string
	// Payload is what the kind keeps for Send.
	Payload []byte
	// TimeNanos is when what it tells of happened.
	TimeNanos int64
	// QueuedNanos is when it began to wait, or was put back by an operator.
	QueuedNanos int64
}

// Letter is a delivery that was given up: a dead letter.
type Letter struct {
	Delivery
	DiedNanos int64
	Reason    string // why

	document ostiary.Document // without its body
}

// Target names the queue that the delivery waits in: "webhook/w01…".
func (d Delivery) Target() string { return d.Kind + "/" + d.To }

// The collections. The key of a delivery or a dead letter is its store, target and id, with "/" between; that of a
// target's state is store, "/" and target.
const (
	deliveries = "outbox"
	letters    = "outbox-dead"
	targets    = "outbox-target"
)

const bodyForm = 1

type deliveryBody struct {
	Form         int    `json:"form"`
	Event        string `json:"event"`
	Organization string `json:"organization,omitempty"`
	User         string `json:"user,omitempty"`
	Session      string `json:"session,omitempty"`
	Payload      []byte `json:"payload,omitempty"`
	TimeNanos    int64  `json:"time"`
	QueuedNanos  int64  `json:"queued"`
	// of a dead letter
	DiedNanos int64  `json:"died,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

func queuePrefix(store, target string) string { return store + "/" + target + "/" }

// bytes returns about how many bytes a delivery takes in a mutation.
func (d Delivery) bytes() int {
	const names = 200 // of the collection and the members
	return names + 2*len(d.Store+d.Kind+d.To+d.ID) + len(d.Event+d.Organization+d.User+d.Session) + len(d.Payload)*4/3
}

func (d Delivery) key() ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: deliveries, Key: queuePrefix(d.Store, d.Target()) + d.ID}
}

func (d Delivery) letterKey() ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: letters, Key: d.key().Key}
}

func (d Delivery) body() deliveryBody {
	return deliveryBody{
		Form: bodyForm, Event: d.Event, Organization: d.Organization, User: d.User, Session: d.Session,
		Payload: d.Payload, TimeNanos: d.TimeNanos, QueuedNanos: d.QueuedNanos,
	}
}

// put returns the change that queues a delivery.
func (d Delivery) put() ostiary.DocumentChange { return put(d.key(), d.body()) }

// die returns the change that makes a dead letter of a delivery.
func (d Delivery) die(nowNanos int64, reason string) ostiary.DocumentChange {
	b := d.body()
	b.DiedNanos, b.Reason = nowNanos, reason
	return put(d.letterKey(), b)
}

func put(key ostiary.DocumentKey, body any) ostiary.DocumentChange {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err)) // the types of this package can all be encoded
	}
	return ostiary.DocumentChange{Key: key, Body: data}
}

func remove(key ostiary.DocumentKey) ostiary.DocumentChange {
	return ostiary.DocumentChange{Key: key, Delete: true}
}

// at demands that a document be as it was read; one that was not there has version 0.
func at(d ostiary.Document) ostiary.Precondition {
	return ostiary.Precondition{Kind: ostiary.DocumentAtVersion, Document: d.Key, Version: d.Version}
}

func decode(d ostiary.Document, body any, form *int) error {
	if err := json.Unmarshal(d.Body, body); err != nil {
		return fmt.Errorf("decode document %q: %v: %w", d.Key, err, ostiary.ErrCorrupt)
	}
	if *form != bodyForm {
		return fmt.Errorf("decode document %q: its form is %d, and this release knows %d: %w", d.Key, *form, bodyForm, ostiary.ErrCorrupt)
	}
	return nil
}

// decodeLetter returns a delivery or a dead letter.
func decodeLetter(d ostiary.Document) (Letter, error) {
	var b deliveryBody
	if err := decode(d, &b, &b.Form); err != nil {
		return Letter{}, err
	}
	parts := strings.Split(d.Key.Key, "/")
	if len(parts) != 4 {
		return Letter{}, fmt.Errorf("decode document %q: its key is not of a delivery: %w", d.Key, ostiary.ErrCorrupt)
	}
	document := ostiary.Document{Key: d.Key, Version: d.Version}
	return Letter{document: document, DiedNanos: b.DiedNanos, Reason: b.Reason, Delivery: Delivery{
		Store: parts[0], Kind: parts[1], To: parts[2], ID: parts[3], Event: b.Event, Organization: b.Organization, User: b.User,
		Session: b.Session, Payload: b.Payload, TimeNanos: b.TimeNanos, QueuedNanos: b.QueuedNanos,
	}}, nil
}

// state is what is known of a target that fails. One that does not has no document.
type state struct {
	Form int `json:"form"`
	// Failures is how many attempts failed, one after the other, since SinceNanos.
	Failures   int   `json:"failures"`
	SinceNanos int64 `json:"since"`
	// NextNanos is when to ask again.
	NextNanos int64  `json:"next"`
	Reason    string `json:"reason"`
}

func stateKey(store, target string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: targets, Key: store + "/" + target}
}

// The pauses between attempts at a target that fails.
const (
	firstPause = time.Second
	lastPause  = time.Hour
	// giveUpAfter is how long a delivery waits at most.
	giveUpAfter = 24 * time.Hour
)

// pause returns how long to wait after so many failures: full jitter below a bound that doubles, and no less than
// firstPause. Random returns a number below its argument.
func pause(failures int, after time.Duration, random func(int64) int64) time.Duration {
	bound := lastPause
	if failures < 12 { // 1 s << 12 is more than an hour
		bound = min(firstPause<<failures, lastPause)
	}
	return max(after, firstPause+time.Duration(random(int64(bound-firstPause)+1)))
}
