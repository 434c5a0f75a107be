package identity

import (
	"encoding/json"
	"fmt"

	"github.com/ostiary/ostiary"
)

// storeKey is where package api keeps the document of a store.
func storeKey(store string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "store", Key: store}
}

const settings = "identity"

func settingsKey(store string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: settings, Key: store}
}

func organizationsOf(store string) string { return "organization/" + store }

func organizationKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: organizationsOf(store), Key: id}
}

// goneKey is of the document that stays of an organization that was deleted.
func goneKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "organization-gone/" + store, Key: id}
}

const connections = "connection"

func connectionKey(id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: connections, Key: id}
}

func tokensOf(connection string) string { return "token/" + connection }

func membersOf(store, organization string) string { return "member/" + store + "/" + organization }

func memberKey(store, organization, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: membersOf(store, organization), Key: user}
}

func gateKey(store, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: gatesOf(store), Key: user}
}

func gatesOf(store string) string { return "gate/" + store }

func usersOf(connection string) string { return "user/" + connection }

func userKey(connection, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: usersOf(connection), Key: id}
}

func managedKey(store, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: ostiary.ShredPrefix + "user/" + store, Key: user}
}

func groupsOf(connection string) string { return "group/" + connection }

func groupKey(connection, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: groupsOf(connection), Key: id}
}

func groupTouchKey(connection, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "group-touch/" + connection, Key: id}
}

func rolesOf(store, organization string) string { return "role/" + store + "/" + organization }

func roleKey(store, organization, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: rolesOf(store, organization), Key: id}
}

// roleValuesOf keeps the values of an organization's catalogue, each once.
func roleValuesOf(store, organization string) string {
	return "role-value/" + store + "/" + organization
}

// bodyForm is the form of the JSON in the documents of this package.
const bodyForm = 1

// form stands first in every body.
type form struct {
	Form int `json:"form"`
}

func (f form) version() int { return f.Form }

// encode returns the body of a document. The types of this package can all be encoded.
func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}

// decode reads the body of a document.
func decode[T interface{ version() int }](d ostiary.Document) (T, error) {
	var body T
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return body, fmt.Errorf("decode document %q: %v: %w", d.Key, err, ostiary.ErrCorrupt)
	}
	if body.version() != bodyForm {
		return body, fmt.Errorf("decode document %q: its form is %d, and this release knows %d: %w",
			d.Key, body.version(), bodyForm, ostiary.ErrCorrupt)
	}
	return body, nil
}

// documentsPerRead is how many documents are read at a time.
const documentsPerRead = 500

// at demands that a document be as it was read; one that was not there has version 0.
func at(d ostiary.Document) ostiary.Precondition {
	return ostiary.Precondition{Kind: ostiary.DocumentAtVersion, Document: d.Key, Version: d.Version}
}

// absent demands that there be no such document.
func absent(key ostiary.DocumentKey) ostiary.Precondition {
	return ostiary.Precondition{Kind: ostiary.DocumentAtVersion, Document: key}
}

func put(key ostiary.DocumentKey, body any) ostiary.DocumentChange {
	return ostiary.DocumentChange{Key: key, Body: encode(body)}
}

func remove(key ostiary.DocumentKey) ostiary.DocumentChange {
	return ostiary.DocumentChange{Key: key, Delete: true}
}
