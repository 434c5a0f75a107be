// Package keyset holds the public keys by which others sign, and judges what they signed: client assertions
// (RFC 7523), and whatever else comes as a JWT of somebody whose keys are at a URL.
//
// A Source is a set of keys: Static, which was given as text, or Remote, which is fetched from a URL or by way
// of an issuer's metadata. Remote sets live in a Cache; Cache.Of returns the set of a Signer, wherever it is. ParseJWT
// takes a text apart; JWT.Verify judges its signature by a Source. Source.VerifySignature is what
// github.com/coreos/go-oidc asks of a key set.
//
// Who sends unknown key ids must not make the server ask on: a set is asked by one request at a time, not
// again within a cooldown, whatever became of it, and not again for a key id that it did not know a moment
// ago.
//
// # Invariants
//
//	K1. Signatures are taken by RS256, PS256, ES256 and EdDSA alone, and by a key of that kind and for that
//	    use: never "none", never by a secret, never by a key that the JWT brings along.
//	K2. RSA keys have 2,048 to 8,192 bits. Private and symmetric keys are not taken.
//	K3. A remote set is asked at most once in Options.Cooldown.
//	K4. A key is good for Options.Lifetime after an answer held it, also where later answers fail or leave it
//	    out, and no longer. An answer with another key of the same id replaces it at once.
//
// # Concurrency
//
// Everything may be used by any number of goroutines. A Cache starts one for each request that it makes, and
// Close waits for them.
//
// # Not here
//
// Which addresses may be asked (package egress, handed in as Getter), types and claims but for times (the callers).
package keyset
