// Package resource knows the resources of SCIM 2.0 (RFC 7643): the schemas of users, groups, roles and
// entitlements, resources that follow them, and what is asked of such resources.
//
// A body is read into a Resource and checked attribute by attribute (ParseObject, Kind.Read). A Resource
// is kept as JSON (Store, Load), answered as JSON under a projection (AppendJSON), compared with a filter
// (Kind.Filter), sorted (Kind.Order) and compared with its earlier self (Diff). What the server says about
// itself is in documents.go.
//
// # Invariants
//
//	R1. A Resource holds attributes of its kind alone, each with values of its type.
//	R2. Names are compared without regard to case, and written in the schema's.
//	R3. The members of a group are never part of its Resource, nor the groups of a user: they may be
//	    100,000. Filters ask about one of them through Apart.
//	R4. A password never enters a Resource.
//	R5. The same Resource gives the same bytes.
//
// # Not here
//
// HTTP (package scim), changes by PATCH (package scim/patch), where resources are kept. Nothing here does
// input or output, or knows the time.
package resource
