// Package scim answers SCIM 2.0 (RFC 7643, 7644 and 9865) for the connections of organizations: identity
// providers create, change and delete users and groups, and read the roles and entitlements that they may
// assign.
//
// A request names its connection in the path and opens it with a token (identity.Service.Directory). The
// body is checked in full, by the schemas of package scim/resource and in the dialect of the connection,
// before anything is read. What it asks for is one call of a Directory, which commits one mutation.
// Operations of a Bulk request are such calls, one after the other.
//
// # Invariants
//
//	C1. A request that is refused has changed nothing, and gets an error in SCIM's form.
//	C2. An answer is of one view, as new as everything acknowledged before it; all pages of a cursor are of
//	    the first one's revision.
//	C3. Members of a group are read only for answers that hold them, and never to change the group.
//	C4. A resource that another connection owns answers as one that does not exist.
//	C5. Bodies, names and ids are not logged.
//
// # Concurrency
//
// A Handler may be used by any number of goroutines. It starts none.
//
// # Not here
//
// Filters, schemas, PATCH and pages (packages scim/filter, resource, patch, query), what a change means for
// tuples (package identity), listeners (package api).
package scim
