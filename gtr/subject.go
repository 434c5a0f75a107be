package gtr

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/strictjson"
)

// maxAliases bounds the identifiers of one subject.
const maxAliases = 20

// parseBody reads {"sub_id": {…}}, or {"subject": {…}} as drafts before 03 had it.
func parseBody(body []byte) (identity.SubjectID, error) {
	if !utf8.Valid(body) {
		return identity.SubjectID{}, malformed("the body is not UTF-8")
	}
	all, ok := strictjson.Members(body)
	if !ok || len(all) != 1 {
		return identity.SubjectID{}, malformed("the body is to be a JSON object with sub_id as its only member")
	}
	for _, name := range []string{"sub_id", "subject"} {
		if raw, there := all[name]; there {
			return parseSubject(raw, true)
		}
	}
	return identity.SubjectID{}, malformed("the body has no sub_id")
}

func malformed(what string) error { return refusal{http.StatusBadRequest, codeRequest, what} }

// formats are the members of each format of subject identifiers (RFC 9493), all of which must be there.
var formats = map[string][]string{
	identity.FormatIssuerSubject: {"iss", "sub"},
	identity.FormatEmail:         {"email"},
	identity.FormatOpaque:        {"id"},
	identity.FormatAliases:       {"identifiers"},
}

// parseSubject reads a subject identifier. Aliases are not nested.
func parseSubject(raw []byte, outer bool) (identity.SubjectID, error) {
	var id identity.SubjectID
	all, ok := strictjson.Members(raw)
	if !ok {
		return id, malformed("the subject identifier is to be a JSON object")
	}
	format, ok := text(all["format"])
	wanted, known := formats[format]
	if !ok || !known || !outer && format == identity.FormatAliases {
		return id, malformed("the format of the subject identifier is none of iss_sub, email, opaque, aliases")
	}
	if len(all) != 1+len(wanted) {
		return id, malformed("the subject identifier does not have the members of its format alone")
	}
	id.Format = format
	if format == identity.FormatAliases {
		var err error
		id.Aliases, err = parseAliases(all["identifiers"])
		return id, err
	}
	for name, value := range map[string]*string{"iss": &id.Issuer, "sub": &id.Subject, "email": &id.Email, "id": &id.ID} {
		if raw, there := all[name]; there {
			if *value, ok = text(raw); !ok {
				return id, malformed("a member of the subject identifier is no text, or empty")
			}
		}
	}
	for _, name := range wanted {
		if all[name] == nil {
			return id, malformed("the subject identifier lacks a member of its format")
		}
	}
	return id, nil
}

// parseAliases reads identifiers of one subject. Those of formats that are not taken are passed over, as long as
// there is another.
func parseAliases(raw []byte) ([]identity.SubjectID, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxAliases {
		return nil, malformed("identifiers is to be a list of 1 to 20 subject identifiers")
	}
	var aliases []identity.SubjectID
	for _, one := range list {
		all, ok := strictjson.Members(one)
		if !ok {
			return nil, malformed("identifiers is to be a list of subject identifiers")
		}
		format, _ := text(all["format"])
		if _, known := formats[format]; !known && format != "" {
			continue
		}
		id, err := parseSubject(one, false)
		if err != nil {
			return nil, err
		}
		aliases = append(aliases, id)
	}
	if len(aliases) == 0 {
		return nil, malformed("no alias is of the format iss_sub, email or opaque")
	}
	return aliases, nil
}

// text returns a JSON text that is not empty.
func text(raw []byte) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, s != ""
}
