package main

import (
	"encoding/json"
	"strings"

	"github.com/ostiary/ostiary"
)

// showRequests prints the same question as a request to copy for curl, @openfga/sdk and Go. Without
// tuples it says how to write one.
func (a *app) showRequests(httpAddr, store string, q *ostiary.Tuple) {
	url := "http://" + httpAddr
	if q == nil {
		a.printf(`
There are no tuples yet. Name a file of tuples behind the model, or write one:
  %s tuple write OBJECT#RELATION@USER --server %s --store %s`, a.program, a.client.server, store)
		return
	}
	user, relation, object := q.Subject.String(), q.Relation, q.Object.String()
	a.printf(`
Ask with curl:
  curl -s %[1]s/stores/%[2]s/check -d %[3]s

JavaScript, npm install @openfga/sdk:
  const { OpenFgaClient } = require("@openfga/sdk");
  const fga = new OpenFgaClient({ apiUrl: %[4]s, storeId: %[5]s });
  fga.check({ user: %[6]s, relation: %[7]s, object: %[8]s }).then(a => console.log(a.allowed));

Go, go get github.com/openfga/go-sdk/client:
  fga, err := client.NewSdkClient(&client.ClientConfiguration{ApiUrl: %[4]s, StoreId: %[5]s})
  answer, err := fga.Check(ctx).Body(client.ClientCheckRequest{User: %[6]s, Relation: %[7]s, Object: %[8]s}).Execute()
  fmt.Println(answer.GetAllowed())

Or this program:
  %[9]s check %[10]s --explain --server %[11]s --store %[2]s`,
		url, store,
		shellQuote(`{"tuple_key":{"user":`+quoted(user)+`,"relation":`+quoted(relation)+`,"object":`+quoted(object)+`}}`),
		quoted(url), quoted(store), quoted(user), quoted(relation), quoted(object),
		a.program, shellQuote(q.String()), a.client.server)
}

// quoted is a text as JSON, JavaScript and Go all read it.
func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil { // a string always has a JSON form
		return `""`
	}
	return string(data)
}

// shellQuote is a text as one word of a shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
