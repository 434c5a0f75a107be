// Package backchannel lets the OpenID providers of connections say that somebody has logged out there: OpenID Connect
// Back-Channel Logout 1.0, as a relying party.
//
// A logout token is answered with 200 once the sessions that it is about have ended, in one mutation.
//
// # Invariants
//
//	L1. A logout token is taken when it is of type logout+jwt, of JWT or without a type; signed by the provider of the
//	    connection by an algorithm that was set; made for one of its applications a short time ago; with the event of
//	    back-channel logout, an exp, a jti, a sub or sid, and without a nonce. An ID token, a SET or a token of Global
//	    Token Revocation is not.
//	L2. Nobody learns who exists, nor which connections there are: whoever and whatever is not known is answered like
//	    what is, and a connection that is not there like one of another provider.
//	    One by a key that the provider did not publish a moment ago is put off (503) until its keys are fetched again:
//	    providers send what was refused no second time.
//	L3. What stands in a logout token is not logged, and no answer repeats it.
//
// # Concurrency
//
// A Handler may be used by any number of goroutines. It starts none; keyset.Cache does to fetch keys.
//
// # Not here
//
// What a logout does (package identity), signatures and keys (package keyset), the logout tokens that this server
// sends (package outbox).
package backchannel
