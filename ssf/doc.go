// Package ssf is the vocabulary of Shared Signals: security event tokens (SET, RFC 8417) as the Shared Signals
// Framework 1.0 has them, the types of events of CAEP and RISC, and subject identifiers (RFC 9493).
//
// Parse and ParseSubject read what others have sent, once its signature is judged. They take what Okta sends too:
// the subject within the event, and times in milliseconds.
//
// # Invariants
//
//	V1. What Parse returns has an issuer, an audience, an id, a time and exactly one event, and no expiry: it is
//	    neither an ID token nor a logout token.
//	V2. No object that is read has a member twice.
//	V3. No error repeats anything of what was read.
//
// # Concurrency
//
// Everything is a plain value.
//
// # Not here
//
// Signatures and keys (package keyset), what an event does (package identity), HTTP (packages ssf/receiver,
// ssf/transmitter).
package ssf
