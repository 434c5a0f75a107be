package scim_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/scim"
)

// newBenchWorld starts a server on a real folder, so that every change waits for its fsync.
func newBenchWorld(b *testing.B) *world {
	b.Helper()
	return newWorldIn(b, raftstore.Options{Dir: b.TempDir()}, func(o *scim.Options, c *identity.Connection) {
		o.RequestsPerSecond = -1
		c.Guard = identity.Guard{Users: identity.GuardLimit{Off: true}, Members: identity.GuardLimit{Off: true}}
	})
}

// BenchmarkCreateUser makes users from 32 clients a core, over HTTP.
func BenchmarkCreateUser(b *testing.B) {
	w := newBenchWorld(b)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			w.send("POST", "/Users", fmt.Sprintf(`{%s,"userName":"user%d@example.com","externalId":"x%d","active":true,
				"name":{"givenName":"Ann","familyName":"Lee"},"displayName":"Ann Lee",
				"emails":[{"value":"user%d@example.com","type":"work","primary":true}]}`, userSchema, i, i, i)).want(201)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "users/s")
}

// BenchmarkGroupPatch adds and removes 50 members.
func BenchmarkGroupPatch(b *testing.B) {
	w := newBenchWorld(b)
	ids := w.manyUsers(50)
	group := w.group("Staff")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.patch("/Groups/"+group, `{"op":"`+[]string{"add", "remove"}[i%2]+`","path":"members","value":`+memberList(ids)+`}`).want(204)
	}
}

// BenchmarkGroupPut puts a group of 5,000, of whom one comes and goes.
func BenchmarkGroupPut(b *testing.B) {
	w := newBenchWorld(b)
	ids := w.manyUsers(5001)
	group := w.group("Staff", ids[:5000]...)
	bodies := []string{memberList(ids[1:]), memberList(ids[:5000])}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.send("PUT", "/Groups/"+group+"?excludedAttributes=members",
			`{`+groupSchema+`,"displayName":"Staff","members":`+bodies[i%2]+`}`).want(200)
	}
}

// BenchmarkListUsers reads pages of 100 of 100,000 users (10,000 with -short): the first, one from the middle by
// its number, and the one after the first by cursor.
func BenchmarkListUsers(b *testing.B) {
	w := newBenchWorld(b)
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	w.manyUsers(n)
	next := w.send("GET", "/Users?count=100&cursor=", "").want(200).json()["nextCursor"].(string)
	for _, page := range []struct{ name, query string }{
		{"first", ""}, {"middle", fmt.Sprint("&startIndex=", n/2)}, {"cursor", "&cursor=" + next},
	} {
		b.Run(page.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.send("GET", "/Users?count=100"+page.query, "").want(200)
			}
		})
	}
}

// manyUsers makes users by Bulk requests, several at once, and returns their ids.
func (w *world) manyUsers(n int) []string {
	w.t.Helper()
	const each = 500
	ids := make([]string, n)
	var group sync.WaitGroup
	turns := make(chan struct{}, 8)
	for from := 0; from < n; from += each {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			var operations []string
			for i := from; i < min(n, from+each); i++ {
				operations = append(operations, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"%d","data":{%s,"userName":"many%d"}}`, i, userSchema, i))
			}
			r := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[`+strings.Join(operations, ",")+`]}`)
			if r.status != 200 {
				w.t.Errorf("got %d: %s", r.status, r.body)
				return
			}
			for i, op := range r.json()["Operations"].([]any) {
				location, _ := op.(map[string]any)["location"].(string)
				if ids[from+i] = location[strings.LastIndexByte(location, '/')+1:]; ids[from+i] == "" {
					w.t.Errorf("got %v", op)
				}
			}
		})
	}
	group.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	return ids
}
