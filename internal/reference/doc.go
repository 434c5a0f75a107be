// Package reference writes the reference of the API: an OpenAPI document and Markdown pages.
//
// It answers what a server can be asked, in which words, from what the server itself runs on: protobuf descriptors, the
// rules that map them to HTTP, the comments of the proto files as they stand in generated code, and the table of rights.
// What descriptors cannot say, words.yaml (for openfga.v1 and authzen.v1, whose comments belong to others) and
// handlers.yaml (for what is no method of gRPC) do.
//
// # Invariants
//
//	R1. The same input gives the same bytes.
//	R2. Every service and every method has words, and every route a method: New fails otherwise.
//
// # Callers
//
// Tests: TestReference of package api compares docs/api with what this package makes, and writes it with -update
// (make docs).
//
// # Not here
//
// The document as it is served (package docs/api), and what handlers do (package api).
package reference
