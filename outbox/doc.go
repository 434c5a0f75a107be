// Package outbox tells applications what happened: it turns the events that package identity writes into
// deliveries to those who listen, and sends these until they are taken (docs/adr/0012-outbox.md).
//
// A Worker runs on every node and works where the node leads. All that it knows is in documents, so that
// whoever leads next goes on from there. A Kind is one way of telling: it says which deliveries an event makes,
// and sends them.
//
// # Invariants
//
//	O1. An event becomes deliveries once: the mutation that makes them removes it, and rests on it.
//	O2. A delivery is removed only when it was taken, became a dead letter, was dropped by an operator, or has no
//	    target any more. So it is sent at least once.
//	O3. Each attempt at a delivery, by whatever node, has its id and payload.
//	O4. While a target fails, one delivery at a time is tried, and its failures write one document at each
//	    attempt, however many wait.
//	O5. No target waits for another one: each has a goroutine, and what hangs takes no place of those that do not.
//	O6. Nothing that is sent, nor a secret, stands in a log, an error or a metric; of a URL the host alone.
//
// # Concurrency
//
// A Worker runs once, in goroutines that have ended when Run returns. Everything else may be used by any number
// of goroutines. A Kind is called by many at once.
//
// # Not here
//
// Events, applications and webhooks (package identity), the guard on what may be reached (package egress), the API (package
// api).
package outbox
