// Package gtr lets identity providers log people out: Global Token Revocation
// (draft-parecki-oauth-global-token-revocation), as Okta's Universal Logout calls it.
//
// A request is answered with 204 once the sessions of the people whom it names have ended and their watermarks are
// set, in one mutation: no Check at the revision that the answer names, or later, allows by them.
//
// # Invariants
//
//	R1. A JWT is taken when it is of type global-token-revocation+jwt, signed by the provider of the connection,
//	    about the application, for exactly the URL that was asked, a short time ago, and for one body. An ID token,
//	    a logout token or an assertion of a client is not.
//	R2. Who does not show a JWT or a token is told nothing else: not whether there is such a connection, whether it
//	    takes requests, or what is wrong with the body.
//	R3. Nobody learns who exists: who is unknown and who is out of the connection's reach are answered alike.
//	R4. What is in the subject of a request is not logged.
//	R5. No number of revocations is too many for a connection: they raise an alarm and are done.
//
// # Concurrency
//
// A Handler may be used by any number of goroutines. It starts none; keyset.Cache does to fetch keys.
//
// # Not here
//
// What a revocation does (package identity), signatures and keys (package keyset), listeners (package api).
package gtr
