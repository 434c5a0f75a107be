// Package issuer speaks in the name of stores: it publishes the keys by which the server signs for each, and makes
// what is signed by them. The issuer of a store is the server's public URL with /stores/ and the store's id.
//
// # Invariants
//
//	S1. What is signed names as its issuer the URL that the server was configured with, never one of a request.
//	S2. What is published depends on the store alone, and holds public keys.
//
// # Concurrency
//
// Everything may be used by any number of goroutines, and starts none.
//
// # Not here
//
// Where keys are kept and when they change (package identity), signatures (package jws), listeners (package api).
package issuer
