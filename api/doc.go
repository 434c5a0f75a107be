// Package api answers requests on the wire: OpenFGA's openfga.v1.OpenFGAService, AuthZEN's
// authzen.v1.AuthZenService and our own ostiary.v1.OstiaryService, over gRPC and over HTTP/JSON.
//
// A request passes, in this order and once whichever listener it came in by: a request id, authentication,
// the limit of how often its caller may ask, recovery from panics, its caller's rights (rights.go), OpenFGA's
// field validation, then its handler. Traces, the decision log and the audit are told of it on the way. HTTP
// is translated by OpenFGA's generated gateway, which calls the same functions; streams alone enter the gRPC
// server, over a connection in memory.
//
// A handler takes one view, reads the store's document and its authorization model from it, judges the
// request by the model, and asks package engine; or builds one mutation and proposes it. Stores, models
// and assertions are documents:
//
//	store                  key store id    a store; gone when the store is deleted
//	deleted-store          key store id    what a deleted store comes back from (package deleted)
//	quota                  key store id    how much the store may hold (ostiary.CollectionQuotas)
//	latest-model           key store id    the id of the model written last
//	model/<store id>       key model id    OpenFGA's JSON form of the model
//	assertion/<store id>   key model id    the assertions of the model
//	secret                 key page-tokens the secret that seals continuation tokens
//
// # Invariants
//
//	A1. No handler runs without a principal in its context, and every mutation records it.
//	A2. A request that is refused has changed nothing.
//	A3. An answer is computed from one view, and ostiary-revision names that view's revision. All pages
//	    of a Read, and all parts of a list that was cut, are of the revision of the first.
//	A4. A write is judged by a store document that is still there, unchanged, when the write commits.
//
// # Concurrency
//
// A Server may be used by any number of goroutines. Serve owns every goroutine that it starts. A list that
// has taken a while goes on in one of a few turns, and never in the way of a check (admission.go).
//
// # Not here
//
// Compiling models (package dsl), evaluation (package engine), who may do what (package access), what becomes of
// identities (package identity), replication and storage, where quotas are judged (behind Backend).
package api
