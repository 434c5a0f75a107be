// Package gate proves of a model that a managed person who is not enabled passes through none of the
// relations that identity providers fill.
//
// An organization says who is enabled in it: organization#enabled. Groups, roles and entitlements belong
// to one organization, and identity providers write their raw relations: organization#directory_member,
// group#assigned, role#direct, entitlement#direct. Lint follows the rewrites of those types and finds every
// relation that holds what a raw relation holds, or a person written directly, without an intersection
// with `enabled` of the organization itself. It prints the way that leads around the gate.
//
// # What holds of a model without faults
//
//	G1. organization#enabled is made of tuples alone.
//	G2. Each relation of organization, group, role and entitlement, raw ones excepted, holds a person only
//	    while that person is enabled in the organization of the object.
//	G3. No other type refers to a raw relation, in a type restriction or by tuple-to-userset.
//	G4. A relation of an application's type that Assignable.Judge lets identity providers assign holds a person
//	    only while that person is enabled in the organization of the object, and makes nobody owner or admin.
//	    Mapping.Lint is Lint with this for all that a mapping lets be assigned.
//
// # Not here
//
// Grants that an application makes to a person directly, on types of its own: the subject gate (package
// api) denies those to a person who is disabled. That a group belongs to exactly one organization, and that
// applications do not write identity relations: package identity and package api see to it.
package gate
