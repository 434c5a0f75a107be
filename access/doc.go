// Package access says what the callers of a cluster may do: who may read, write or administer which store,
// which organization of one, or the whole cluster.
//
// Rights are tuples of a store of the server's own, the system store, under a model that is part of this
// package (access.fga), and the engine decides by them as it does for everybody else. Which cluster a store
// belongs to, and which store an organization, is not stored: it is laid over the tuples of a question.
//
// # Invariants
//
//	P1. Who has no grant may do nothing. What is not known to be allowed is refused, errors too.
//	P2. A decision is by the view that it is asked for: what was decided before is repeated while the rights
//	    are the same. Who changes rights is judged in a linearizable view, and the change rests on it.
//	P3. No request but those of this package reads or changes the system store, and nothing deletes it.
//	P4. Of several bootstrap credentials the newest counts, once, and only while the cluster has no
//	    administrator. Its hash alone is stored.
//	P5. The last administrator of the cluster is not revoked.
//
// # Concurrency
//
// A Service may be used by any number of goroutines. It starts none.
//
// # Not here
//
// Who a caller is, and what each method needs (package api).
package access
