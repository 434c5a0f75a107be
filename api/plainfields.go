package api

import (
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// plainFields reports whether it is plain that OpenFGA's validators accept a message, and false where
// they must say: for other messages, with contextual tuples, and where a field holds anything but
// printable ASCII. The validators' regular expressions cost 1.3 us a check
// (go test ./api -bench BenchmarkFields).
func plainFields(req any) bool {
	switch req := req.(type) {
	case *openfgav1.CheckRequest:
		return plainIDs(req) && plainKey(req.GetTupleKey()) && req.GetContextualTuples() == nil &&
			plainConsistency(req.GetConsistency())
	case *openfgav1.BatchCheckRequest:
		for _, item := range req.GetChecks() {
			if !plainKey(item.GetTupleKey()) || item.GetContextualTuples() != nil || !plainCorrelation(item.GetCorrelationId()) {
				return false
			}
		}
		return plainIDs(req) && len(req.GetChecks()) > 0 && plainConsistency(req.GetConsistency())
	case *openfgav1.ListObjectsRequest:
		return plainObjects(req) && req.GetContextualTuples() == nil
	case *openfgav1.StreamedListObjectsRequest:
		return plainObjects(req) && req.GetContextualTuples() == nil
	}
	return false
}

func plainObjects(req objectsRequest) bool {
	return plainIDs(req) && plainText(req.GetType(), 1, 254) && plainName(req.GetType()) &&
		plainText(req.GetRelation(), 1, 50) && plainName(req.GetRelation()) &&
		plainText(req.GetUser(), 1, 512) && plainConsistency(req.GetConsistency())
}

func plainIDs(req interface {
	GetStoreId() string
	GetAuthorizationModelId() string
}) bool {
	return plainID(req.GetStoreId()) && (req.GetAuthorizationModelId() == "" || plainID(req.GetAuthorizationModelId()))
}

// plainKey judges the key of a check.
func plainKey(k *openfgav1.CheckRequestTupleKey) bool {
	return k != nil && plainText(k.GetUser(), 2, 512) && plainText(k.GetObject(), 2, 256) &&
		plainText(k.GetRelation(), 1, 50) && plainName(k.GetRelation())
}

// plainID knows what modelIDForm matches.
func plainID(id string) bool {
	if len(id) != 26 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case '0' <= c && c <= '9':
		case 'A' <= c && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U':
		default:
			return false
		}
	}
	return true
}

// plainText reports whether a text is of printable ASCII without spaces, so that its bytes are its
// characters, from least to most of them.
func plainText(text string, least, most int) bool {
	if len(text) < least || len(text) > most {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// plainName reports whether a text holds none of the separators.
func plainName(text string) bool {
	for i := range len(text) {
		if c := text[i]; c == ':' || c == '#' || c == '@' {
			return false
		}
	}
	return true
}

func plainCorrelation(id string) bool {
	if id == "" || len(id) > 36 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func plainConsistency(c openfgav1.ConsistencyPreference) bool {
	return c == openfgav1.ConsistencyPreference_UNSPECIFIED ||
		c == openfgav1.ConsistencyPreference_MINIMIZE_LATENCY || c == openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
}
