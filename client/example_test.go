package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ostiary/ostiary/client"
)

func Example() {
	address, store, stop, err := serve() // an address such as "authz.example.com:8081"
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	_, err = c.Write(ctx, client.Changes{Writes: []client.Tuple{
		{User: "user:ann", Relation: "member", Object: "group:eng"},
		{User: "group:eng#member", Relation: "viewer", Object: "doc:readme"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range []string{"user:ann", "user:bob"} {
		allowed, err := c.Check(ctx, user, "viewer", "doc:readme")
		fmt.Println(user, allowed, err)
	}
	// Output:
	// user:ann true <nil>
	// user:bob false <nil>
}

// A web application keeps the token of each user's session: what the user changed shows in the next request, whichever
// node answers it.
func ExampleClient_Session() {
	address, store, stop, err := serve()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	request := c.Session("") // the first request of the user: no cookie yet
	_, err = request.Write(ctx, client.Changes{Writes: []client.Tuple{{User: "user:ann", Relation: "owner", Object: "doc:plan"}}})
	if err != nil {
		log.Fatal(err)
	}
	cookie := request.Token()

	next := c.Session(cookie) // the next one
	fmt.Println(next.Check(ctx, "user:ann", "viewer", "doc:plan"))
	// Output:
	// true <nil>
}

// A list is whole, however the server bounds its answers.
func ExampleClient_ListObjects() {
	address, store, stop, err := serve()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Write(ctx, client.Changes{Writes: viewers("user:ann", 3)}); err != nil {
		log.Fatal(err)
	}

	for object, err := range c.ListObjects(ctx, "user:ann", "viewer", "doc") {
		if err != nil {
			log.Fatal(err) // what came before is not the whole list
		}
		fmt.Println(object)
	}
	// Output:
	// doc:0000
	// doc:0001
	// doc:0002
}

// A job names what it writes, so that it can be started again without harm.
func ExampleClient_Write() {
	address, store, stop, err := serve()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	share := client.Changes{
		Key:     "share-order-17",
		Writes:  []client.Tuple{{User: "user:bob", Relation: "viewer", Object: "doc:order-17"}},
		Deletes: []client.Tuple{{User: "user:ann", Relation: "viewer", Object: "doc:order-17"}}, IgnoreMissing: true,
	}
	for range 2 {
		_, err := c.Write(context.Background(), share)
		if errors.Is(err, client.ErrOutcomeUnknown) {
			continue // the same key: it takes effect once
		}
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
}

// A page is served to those who may see it. Nobody else gets it: not on an error either.
func ExampleClient_Require() {
	address, store, stop, err := serve()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Write(context.Background(), client.Changes{Writes: []client.Tuple{{User: "user:ann", Relation: "viewer", Object: "doc:plan"}}})
	if err != nil {
		log.Fatal(err)
	}

	user := func(r *http.Request) (string, error) { // from the login of the application
		name, _, _ := r.BasicAuth()
		if name == "" {
			return "", errors.New("nobody is logged in")
		}
		return "user:" + name, nil
	}
	object := func(r *http.Request) (string, error) {
		return "doc:" + strings.TrimPrefix(r.URL.Path, "/docs/"), nil
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "the plan") })
	handler := c.Require("viewer", user, object)(page)

	for _, name := range []string{"ann", "bob", ""} {
		r := httptest.NewRequest(http.MethodGet, "/docs/plan", nil)
		if name != "" {
			r.SetBasicAuth(name, "")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 the plan
	// 403 not allowed
	// 401 log in first
}

// An index of an application follows what changes. It keeps Resume beside its own data, and goes on there after a restart.
func ExampleClient_Watch() {
	address, store, stop, err := serve()
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	c, err := client.Dial(address, client.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.Write(ctx, client.Changes{Writes: viewers("user:ann", 2)}); err != nil {
		log.Fatal(err)
	}

	seen := 0
	for change, err := range c.Watch(ctx, "", "doc") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Tuple, change.Deleted)
		if seen++; seen == 2 {
			break
		}
	}
	// Output:
	// doc:0000#viewer@user:ann false
	// doc:0001#viewer@user:ann false
}
