// Package oauth gives access tokens to the clients of connections: OAuth 2.0's token endpoint, with client
// credentials as its only grant (RFC 6749, section 4.4), and the metadata that lead to it (RFC 8414).
//
// A client shows who it is by a secret, or by a JWT that it signs (RFC 7523, section 2.2). The tokens are
// those of package identity, which package scim takes beside the tokens that operators make.
//
// # Invariants
//
//	O1. A JWT is taken when it was made by the client, about itself, for this server, a short time ago, and
//	    once. What was signed for another purpose or another server is not.
//	O2. A token opens what its client may at most, of its own connection alone.
//	O3. Refusals do not tell whether a client exists. Secrets, JWTs and tokens are not logged.
//	O4. The server's own URL is the one that it was configured with, never one that a request names.
//	O5. Whoever asks whether a session lives (RFC 7662) is told of its own organization's alone; of every other it is
//	    told in the same words that it does not.
//
// # Concurrency
//
// A Handler may be used by any number of goroutines. It starts none; keyset.Cache does to fetch keys.
//
// # Not here
//
// Clients and tokens (package identity), signatures and keys (package keyset), listeners (package api).
package oauth
