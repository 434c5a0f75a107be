// Package e2e asks a built Ostiary the way applications do: through OpenFGA's published clients, over
// HTTP, with nothing of Ostiary's own code in between.
//
// The tests start bin/ostiary (or what OSTIARY_BIN names) on free loopback ports and a temporary
// folder, and end it by its process. 'make e2e' builds it and runs these tests and those in js/, which
// ask the same through the npm package. The command in chaos/ runs three nodes under faults.
package e2e
