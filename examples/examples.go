// Package examples holds the example that 'ostiary demo' loads: an open-source organization with teams
// inside teams, repositories, a public website and people who were blocked. All ids are invented.
package examples

import _ "embed"

// OrganizationModel is the authorization model of the example, in the DSL.
//
//go:embed organization/model.fga
var OrganizationModel []byte

// OrganizationTuples is its tuples, in CSV.
//
//go:embed organization/tuples.csv
var OrganizationTuples []byte
