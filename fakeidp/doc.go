// Package fakeidp is a small identity provider for trials and tests: it makes what real ones make, and does to a
// server what they do.
//
// A Provider has a key, signs ID tokens, revocation JWTs as Okta's Universal Logout sends them, security event tokens
// and logout tokens, and serves discovery, its keys, a login without passwords (authorization code, PKCE), the
// configuration of a transmitter and a queue of security event tokens to poll. SCIM is the client of a SCIM endpoint as Okta uses one. RelyingParty is an
// application that is logged out: it takes logout tokens, judges them by the keys of who claims to have made them, and
// tells of each.
//
// # Invariants
//
//	F1. Nobody is asked for a password: whoever can reach a Provider's login, or read its key, is everybody. It is
//	    for machines that reach nobody else, and for servers that hold nothing of worth.
//	F2. What a Provider makes is as the standards and the documentation of providers say, unless the caller wants it
//	    otherwise.
//	F3. A RelyingParty believes no token that it cannot judge.
//
// # Concurrency
//
// Providers, SCIM clients and RelyingParties may be used by any number of goroutines.
//
// # Not here
//
// Listeners and commands (cmd/ostiary), the judging of signatures (package keyset).
package fakeidp
