// Package patch reads SCIM PATCH requests (RFC 7644, section 3.5.2) and applies them to resources.
//
// Parse checks a whole request against the schema before anything is read from anywhere: operations,
// paths, filters, values. Apply changes a copy of a resource; it can be called again with a newer state of
// the resource when somebody else changed it first. The members of a group are not part of the resource:
// what the request does to them is a Members, which says who is added and removed, so that a group of
// 100,000 is never read.
//
// In the compatible dialect, what Okta and Entra ID send is taken as they mean it. Above all, "remove" with
// the path "members" and a value removes those members, where the letter of the RFC, which knows no value
// there, would remove all. The strict dialect refuses it.
//
// # Invariants
//
//	P1. A request is applied whole, or an error says why not and nothing has changed.
//	P2. A request that is applied twice is applied once.
//	P3. Nobody is in both Members.Add and Members.Remove. Members.Clear is set by an operation that means
//	    all members, and by nothing else.
//
// # Not here
//
// HTTP and retries (package scim), attributes and values (package scim/resource), who a member is.
package patch
