// Package idtoken judges ID tokens (OpenID Connect Core, section 3.1.3.7): that the OpenID provider of a connection has
// signed one, for an application of it, a short time ago, and what it says of who has logged in.
//
// A Verifier hands the signature, issuer, expiry and audience to github.com/coreos/go-oidc, with the server's own cache
// of keys for a key set, and judges what that leaves to its callers.
//
// # Invariants
//
//	I1. What was signed for another purpose is refused, whoever signed it: logout tokens, security event tokens,
//	    requests of Global Token Revocation, access tokens.
//	I2. Every claim is read by its exact name, and a token that has one twice is refused: no two readers of a token can
//	    see different things in it.
//	I3. What can be judged without a key is judged first: it is no reason to ask for any.
//	I4. Errors repeat nothing of the token.
//
// # Concurrency
//
// A Verifier may be used by any number of goroutines. It starts none; keyset.Cache does to fetch keys.
//
// # Not here
//
// Who the person is, and whether the person may log in (package identity), keys (package keyset).
package idtoken
