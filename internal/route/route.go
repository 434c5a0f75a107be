// Package route reads the paths at which identity providers reach what belongs to one connection. Each such thing has
// a short path, "/gtr/CONNECTION", and a long one that names the organization too,
// "/orgs/ORGANIZATION/connections/CONNECTION/global-token-revocation".
package route

import (
	"net/url"
	"strings"
)

// LongPrefix begins every long path.
const LongPrefix = "/orgs/"

const longMiddle = "connections"

// Connection is where something is of every connection.
type Connection struct {
	Prefix string // of short paths: "/gtr/"
	End    string // of long paths: "global-token-revocation"
}

// Takes reports whether a path is a short or a long one, whatever it names.
func (c Connection) Takes(path string) bool {
	return strings.HasPrefix(path, c.Prefix) || strings.HasPrefix(path, LongPrefix) && strings.HasSuffix(path, "/"+c.End)
}

// Parse returns what a path names that still has its escapes. The organization is empty where it names none. The id of
// a connection needs no escapes, and may have none.
func (c Connection) Parse(path string) (organization, connection string, ok bool) {
	if rest, short := strings.CutPrefix(path, c.Prefix); short {
		return "", rest, rest != "" && !strings.ContainsAny(rest, "/%")
	}
	rest, long := strings.CutPrefix(path, LongPrefix)
	parts := strings.Split(rest, "/")
	if !long || len(parts) != 4 || parts[1] != longMiddle || parts[3] != c.End {
		return "", "", false
	}
	organization, err := url.PathUnescape(parts[0])
	return organization, parts[2], err == nil && organization != "" && parts[2] != "" && !strings.Contains(parts[2], "%")
}
