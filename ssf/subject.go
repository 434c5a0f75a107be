package ssf

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/ostiary/ostiary/internal/strictjson"
)

// ErrInvalid: the text is no SET or subject identifier as they are taken here.
var ErrInvalid = errors.New("invalid")

// invalid is an ErrInvalid that says what is wrong, and nothing of the text.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalid }

// The formats of subject identifiers that have members of their own in Subject.
const (
	FormatIssuerSubject = "iss_sub"
	FormatEmail         = "email"
	FormatOpaque        = "opaque"
	FormatAliases       = "aliases"
	FormatComplex       = "complex"
)

// The parts of a complex subject.
const (
	PartUser    = "user"
	PartDevice  = "device"
	PartSession = "session"
	PartTenant  = "tenant"
)

// Subject is a subject identifier.
type Subject struct {
	Format string
	// Issuer and Subject are of FormatIssuerSubject, Email of FormatEmail, ID of FormatOpaque.
	Issuer, Subject, Email, ID string
	// Aliases are of FormatAliases: each of another format.
	Aliases []Subject
	// Parts are of FormatComplex, by name; none is complex itself.
	Parts map[string]Subject
}

// The bounds of a subject.
const (
	maxAliases     = 20
	maxParts       = 10
	maxSubjectText = 1 << 10 // bytes
)

// ParseSubject reads a subject identifier. One of a format that has no members here keeps its format alone. A
// complex subject may come without a format, as drafts of the framework had it. The error wraps ErrInvalid.
func ParseSubject(text []byte) (Subject, error) { return parseSubject(text, true, true) }

func parseSubject(raw []byte, complex, aliases bool) (s Subject, err error) {
	all, ok := strictjson.Members(raw)
	if !ok {
		return s, invalid("the subject identifier is to be a JSON object without a member twice")
	}
	format, there := all["format"]
	if !there {
		format, there = all["subject_type"] // as drafts of RISC had it
	}
	if !there && complex {
		return parseParts(all)
	}
	if s.Format, ok = text(format); !ok {
		return s, invalid("the subject identifier has no format")
	}
	s.Format = strings.ReplaceAll(s.Format, "-", "_")
	need := func(name string, to *string) {
		if *to, ok = text(all[name]); !ok && err == nil {
			err = invalid("the subject identifier lacks a member of its format, or has one that is no text of up to 1,024 bytes")
		}
	}
	switch s.Format {
	case FormatIssuerSubject:
		need("iss", &s.Issuer)
		need("sub", &s.Subject)
	case FormatEmail:
		need("email", &s.Email)
	case FormatOpaque:
		need("id", &s.ID)
	case FormatAliases:
		if !aliases {
			return s, invalid("aliases are nested")
		}
		s.Aliases, err = parseAliases(all["identifiers"])
	case FormatComplex:
		if !complex {
			return s, invalid("complex subjects are nested")
		}
		delete(all, "format")
		delete(all, "subject_type")
		return parseParts(all)
	}
	return s, err
}

func parseParts(all map[string]json.RawMessage) (Subject, error) {
	s := Subject{Format: FormatComplex, Parts: map[string]Subject{}}
	if len(all) == 0 || len(all) > maxParts {
		return s, invalid("the complex subject is to have 1 to 10 parts")
	}
	for name, raw := range all {
		part, err := parseSubject(raw, false, true)
		if err != nil {
			return s, err
		}
		s.Parts[name] = part
	}
	return s, nil
}

func parseAliases(raw []byte) (all []Subject, err error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxAliases {
		return nil, invalid("identifiers is to be a list of 1 to 20 subject identifiers")
	}
	for _, one := range list {
		s, err := parseSubject(one, false, false)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
