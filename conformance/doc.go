// Package conformance asks a server the questions of other projects' test data and compares the
// answers with those that the data expects.
//
// It reads the data where it is present, in ../shared beside the repository, and knows nothing of how
// a server works: it speaks openfga.v1 over gRPC, and HTTP/JSON where the two must agree. The tests
// start a server of their own in this process; with OSTIARY_CONFORMANCE_GRPC (and
// OSTIARY_CONFORMANCE_HTTP) set to addresses they ask that one instead, which may be any server that
// speaks OpenFGA's API, with its limits on list results lifted.
//
//	Suite          a file of OpenFGA's own tests: models, tuples and assertions in stages
//	Organization   a model and tuples with checks and lists, as ../shared/data/kubernetes-org
//	Translated     a file of SpiceDB's tests, translated to OpenFGA models
package conformance
