// Package transmitter tells receivers of Shared Signals what happens: streams of security event tokens (SSF 1.0), pushed
// (RFC 8935) or polled (RFC 8936), with the events of CAEP's interoperability profile that this server knows of.
//
// Handler answers receivers. Push and Poll are kinds of package outbox: what is to be told waits there.
//
// # Invariants
//
//	T1. A receiver sees and changes its own streams alone, by an access token in the header, for each request.
//	T2. A SET has the id of its delivery (jti), and the same claims each time it is sent.
//	T3. A SET that was acknowledged, or taken by a push, is not sent again; until then it is, for a day at most.
//	T4. A stream that is not enabled gets no events but those about itself; while it is paused they wait.
//
// # Concurrency
//
// Everything may be used by any number of goroutines, and starts none.
//
// # Not here
//
// Streams and who may have them (package identity), queues and attempts (package outbox), keys (package issuer).
package transmitter
