// Package workload makes models, tuples and questions to measure a server with.
//
// A workload is a name, a scale and a seed. It has a model (in the DSL), tuples in one or many stores
// and an endless source of questions. Everything is computed from the seed when it is asked for: the
// facts about the i-th document are a function of the seed and i, so that tuples are never kept, their
// number is known beforehand, and a question can name a document whose owner is known.
//
//	org     groups in groups, folders in folders, documents, "but not banned"
//	github  owners, organizations, teams, repositories with roles that imply each other
//	gdrive  documents in folders, shared with people, groups and everybody
//	wide    a group of very many users, an object shared with very many groups
//	deep    twenty groups inside each other, twenty folders inside each other
//	iot     devices whose permissions depend on conditions
//	saas    one small organization a store, many stores
//	idp     organizations filled by an identity provider, every permission gated by a live session
//
// Replay reads a workload of one store from a file instead.
//
// # What always holds
//
//	W1. The same name, scale and seed give the same tuples in the same order; the same seed of Questions
//	    gives the same questions. The skew changes which questions are asked and no tuple.
//	W2. No tuple comes twice, and every tuple fits the model.
//	W3. What NewTuple and Revocable return is in no Tuples, and two Questions with different seeds never
//	    return the same.
//
// # Concurrency
//
// A Workload may be shared. A Questions serves one goroutine.
//
// # Not here
//
// Sending questions to a server and measuring it (package bench).
package workload
