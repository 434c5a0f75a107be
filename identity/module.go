package identity

import _ "embed"

//go:embed identity.fga
var module string

// ModuleFile is the name of the file that holds the identity module.
const ModuleFile = "identity.fga"

// Module returns the identity module: the part of a model that gives what this package writes its meaning.
func Module() string { return module }
