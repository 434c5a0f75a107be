// Package identity turns what identity providers and operators say of people, groups, roles and entitlements
// into mutations: resource, links, tuples and gate change together, in one revision.
//
// An organization belongs to a store. A connection belongs to one organization and is how one identity
// provider reaches it, with tokens; a Directory is what such a token opens. People that no provider manages
// are members of an organization that an operator names. What is stored where, and why, is in
// docs/adr/0009-identity-state.md; the model that gives the tuples their meaning is identity.fga.
//
// # Invariants
//
//	I1. Each call that changes something commits one mutation, or none. What changes nothing makes no
//	    revision.
//	I2. A Directory reads and changes what its connection owns, and shows of nothing else that it exists.
//	I3. Nothing that an identity provider sends stands in a tuple or, in clear, in a document about a person.
//	I4. The id of a person is drawn here and never given twice; that of a deleted one is denied for ever.
//	I5. A person who is disabled by a connection has no tuple `enabled` of it, and a gate that says so.
//	I6. Each change leaves one audit row, in its own mutation, which holds no values.
//	I7. What ends a person's access to an organization ends the person's sessions in it, in the same revision,
//	    and lets nobody in who has authenticated before (docs/adr/0011-sessions.md).
//	I8. Nothing but words.go knows what a store's model calls the parts of identity: the rest is written in the
//	    names of the identity module.
//
// # Concurrency
//
// A Service and its Directories may be used by any number of goroutines; a DirectoryView by one. They start
// none.
//
// # Not here
//
// Protocols (package scim), the HTTP and gRPC surface and the enforcement of the gate (package api), models
// (package dsl/gate).
package identity
