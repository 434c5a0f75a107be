package deleted

import (
	"encoding/json"
	"fmt"

	"github.com/ostiary/ostiary"
)

// Collection holds the markers, by the ids of stores.
const Collection = "deleted-store"

// Key is of the marker of a store.
func Key(store string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: Collection, Key: store}
}

// Marker is what stands for a store that was deleted.
type Marker struct {
	// Name is the store's, for people.
	Name string
	// Document and LatestModel are the bodies of the two documents that went. LatestModel may be empty.
	Document, LatestModel []byte
	// DeletedNanos and By say when it was deleted, and who did it.
	DeletedNanos int64
	By           ostiary.Principal
	// UntilNanos is when its retention ends.
	UntilNanos int64
	// Purging is set once rows of the store are being removed: it cannot come back.
	Purging bool
}

// markerForm is the form of the JSON of a marker.
const markerForm = 1

type markerBody struct {
	Form        int    `json:"form"`
	Name        string `json:"name,omitempty"`
	Document    []byte `json:"document"`
	LatestModel []byte `json:"latest_model,omitempty"`
	Deleted     int64  `json:"deleted"`
	ByKind      string `json:"by_kind,omitempty"`
	ByName      string `json:"by_name,omitempty"`
	Until       int64  `json:"until"`
	Purging     bool   `json:"purging,omitempty"`
}

// Encode returns the body of the marker's document.
func (m Marker) Encode() ([]byte, error) {
	return json.Marshal(markerBody{markerForm, m.Name, m.Document, m.LatestModel, m.DeletedNanos, m.By.Kind, m.By.Name,
		m.UntilNanos, m.Purging})
}

// Decode reads a marker. The error is ostiary.ErrCorrupt.
func Decode(d ostiary.Document) (Marker, error) {
	var b markerBody
	if err := json.Unmarshal(d.Body, &b); err != nil {
		return Marker{}, fmt.Errorf("decode document %q: %v: %w", d.Key, err, ostiary.ErrCorrupt)
	}
	if b.Form != markerForm {
		return Marker{}, fmt.Errorf("decode document %q: its form is %d, and this release knows %d: %w", d.Key, b.Form, markerForm, ostiary.ErrCorrupt)
	}
	return Marker{Name: b.Name, Document: b.Document, LatestModel: b.LatestModel, DeletedNanos: b.Deleted,
		By: ostiary.Principal{Kind: b.ByKind, Name: b.ByName}, UntilNanos: b.Until, Purging: b.Purging}, nil
}
