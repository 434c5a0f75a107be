// Package egress makes the requests that a server sends out on behalf of what is configured in it: key sets,
// metadata of identity providers, webhooks, logout URIs, event streams. Whoever can name a URL to a server
// could otherwise let it ask what only it can reach.
//
// A Client judges the address that is really dialled, after names are resolved and for each connection, so
// that no name, redirect, or change of a name between two looks gets around it. It follows no redirects,
// uses no proxy, and reads no more than it was told to.
//
// # Invariants
//
//	E1. Nothing is sent to an address that is not a public one, nor to the metadata service of a cloud,
//	    unless the operator has allowed it (Options.Allow).
//	E2. Nothing is sent without TLS, except to addresses that the operator has allowed.
//	E3. A request ends within Options.Timeout, and its answer holds no more than Options.MaxBodyBytes.
//	E4. No error names more of a URL than its scheme and host: the rest may be secret.
//
// # Concurrency
//
// A Client may be used by any number of goroutines. Connections that are kept for later have goroutines of
// net/http, which Close ends.
//
// # Not here
//
// What the answers mean (packages keyset and others), retries, queues.
package egress
