// Package client is for applications that ask a server: may this user do this, and what may they see?
//
// It speaks OpenFGA's API over gRPC, and of Ostiary what makes that safe to use: writes that take effect once however
// often they are sent, consistency tokens that let a session read what it wrote, and lists that go on where a limit cut
// them. With a plain OpenFGA server it does what that offers.
//
//	c, err := client.Dial("127.0.0.1:8081", client.Options{Store: id, Key: key})
//	allowed, err := c.Check(ctx, "user:ann", "viewer", "doc:readme")
//
// # Invariants
//
//	C1. An error is never an answer: Check returns false with every error, and Require lets nobody pass on one.
//	C2. What may have happened is not repeated where it could happen twice: writes carry an idempotency key, and a
//	    server that does not know these is not sent a write again unless the first was certainly not taken.
//	C3. Keys and tokens of callers go over TLS, or to this machine.
//
// # Concurrency
//
// A Client may be used by any number of goroutines; so may a session of it. It holds one connection, which all
// sessions share, and starts no goroutines of its own beside gRPC's.
//
// # Cost
//
// One call of a question is one request; nothing is cached. A request that fails in a way that may pass is sent
// Options.Attempts times at most, with pauses that double and are drawn at random.
//
// # Not here
//
// Administration: models, organizations, sessions of people, access of callers. Conn gives a connection on which the
// generated clients of openfga.v1 and ostiary.v1 work.
package client
