// Package receiver takes security event tokens from the identity providers of connections: those that they push
// (RFC 8935), and those that it fetches (RFC 8936).
//
// A SET is acknowledged once what it does is committed. Transmitters send until they are told so; one that comes
// again does nothing again.
//
// # Invariants
//
//	R1. A SET is taken when it is of type secevent+jwt, signed by the transmitter of the connection, made by its
//	    issuer for one of the audiences that were set, has no expiry and one event. An ID token, a logout token or
//	    a token of Global Token Revocation is not, however it is signed.
//	R2. Who does not show the Authorization header that was set is told nothing else.
//	R3. Nothing is acknowledged before it is committed, and every SET that is refused is answered so: none is lost
//	    silently.
//	R4. What stands in a SET is not logged, and no error repeats it.
//
// # Concurrency
//
// A Handler may be used by any number of goroutines, and starts none. A Poller starts one for each connection that
// is polled, and Run waits for them.
//
// # Not here
//
// What an event does (package identity), SETs and subjects (package ssf), signatures and keys (package keyset),
// where the requests of a Poller may go (package egress, handed in).
package receiver
