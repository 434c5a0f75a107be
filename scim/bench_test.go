package scim_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

func newBenchWorld(b *testing.B) *world {
	return newWorld(b, func(o *scim.Options, _ *identity.Connection) { o.RequestsPerSecond = -1 })
}

// BenchmarkCreateUser makes users from 16 clients, over HTTP, on a store in memory.
func BenchmarkCreateUser(b *testing.B) {
	w := newBenchWorld(b)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			w.send("POST", "/Users", fmt.Sprintf(`{%s,"userName":"user%d@example.com","externalId":"x%d","active":true,
				"name":{"givenName":"Ann","familyName":"Lee"},"displayName":"Ann Lee",
				"emails":[{"value":"user%d@example.com","type":"work","primary":true}]}`, userSchema, i, i, i)).want(201)
		}
	})
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

// BenchmarkListUsers reads pages of 100 of 10,000 users, the first and one from the middle.
func BenchmarkListUsers(b *testing.B) {
	w := newBenchWorld(b)
	w.manyUsers(10_000)
	for _, start := range []int{1, 5000} {
		b.Run(fmt.Sprintf("start=%d", start), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.send("GET", fmt.Sprintf("/Users?count=100&startIndex=%d", start), "").want(200)
			}
		})
	}
}

// manyUsers makes users by Bulk requests and returns their ids.
func (w *world) manyUsers(n int) []string {
	w.t.Helper()
	var ids []string
	for from := 0; from < n; from += 1000 {
		var operations []string
		for i := from; i < min(n, from+1000); i++ {
			operations = append(operations, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"%d","data":{%s,"userName":"many%d"}}`, i, userSchema, i))
		}
		r := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[`+strings.Join(operations, ",")+`]}`).want(200).json()
		for _, op := range r["Operations"].([]any) {
			m := op.(map[string]any)
			if m["status"] != "201" {
				w.t.Fatalf("got %v", m)
			}
			location := m["location"].(string)
			ids = append(ids, location[strings.LastIndexByte(location, '/')+1:])
		}
	}
	return ids
}
