// Package openfga runs the tests that OpenFGA publishes as packages against any server that speaks its
// API: every assertion of its two YAML files on stored and on contextual tuples, and its matrices of
// models, for Check, ListObjects, StreamedListObjects and ListUsers.
//
// It is a module of its own, since those packages bring some three hundred modules with them. It holds
// tests alone; OSTIARY_CONFORMANCE_GRPC names the server's gRPC address, and without it they are skipped.
// `make conformance` at the root starts a server and runs them.
package openfga
