package scim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// answer is what a call comes to.
type answer struct {
	status   int
	body     []byte // nil: none
	location string
	tag      string           // the entity tag of the resource; empty: none
	revision ostiary.Revision // of the view or of the write; zero: none
	allow    string           // methods, with 405
	retry    int              // seconds, with 429 and 503
	// challenge says what to show with a request (RFC 6750, section 3), with 401 and 403.
	challenge string
}

const contentType = "application/scim+json;charset=utf-8"

// write sends an answer.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, a answer) {
	header := w.Header()
	for name, value := range map[string]string{"Location": a.location, "Allow": a.allow, "ETag": a.tag, "WWW-Authenticate": a.challenge} {
		if value != "" {
			header.Set(name, value)
		}
	}
	if a.revision != 0 {
		header.Set("Ostiary-Revision", strconv.FormatUint(uint64(a.revision), 10))
		header.Set("Ostiary-Token", string(ostiary.NewToken(h.o.Cluster(), a.revision)))
	}
	if a.retry != 0 {
		header.Set("Retry-After", strconv.Itoa(a.retry))
	}
	header.Set("Cache-Control", "no-store")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // the client has gone: nobody is left to be told
	}
}

// readBody reads the body of a request that has one.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return nil, nil
	}
	if text := r.Header.Get("Content-Type"); text != "" {
		kind, _, err := mime.ParseMediaType(text)
		switch {
		case err != nil:
			return nil, scimerr.New(http.StatusUnsupportedMediaType, "", "the Content-Type cannot be read")
		case kind != "application/scim+json" && kind != "application/json" && kind != "text/json" && kind != "*/*":
			return nil, scimerr.New(http.StatusUnsupportedMediaType, "", "send application/scim+json")
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.o.MaxBodyBytes))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, scimerr.New(http.StatusRequestEntityTooLarge, "", "the body has more than %d bytes", h.o.MaxBodyBytes)
	}
	if err != nil {
		return nil, scimerr.Bad(scimerr.InvalidSyntax, "the body ends too early")
	}
	return body, nil
}

// object reads the body as JSON.
func (c *call) object() (*resource.Object, error) {
	if c.data != nil {
		return c.data, nil
	}
	return resource.ParseObject(c.body)
}

// etag writes a version as a weak entity tag.
func etag(v ostiary.Revision) string { return `W/"` + strconv.FormatUint(uint64(v), 10) + `"` }

// tagged reports whether a list of entity tags holds one, weak or strong, or is "*".
func tagged(tags, want string) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || tag == want || tag == strings.TrimPrefix(want, "W/") {
			return true
		}
	}
	return false
}

// expected returns the version that a change must meet: 0 for any. Current is the one that is stored; it is
// called only when the client sent If-Match or If-None-Match.
func (c *call) expected(current func() (ostiary.Revision, error)) (ostiary.Revision, error) {
	if c.ifMatch == "" && c.ifNone == "" {
		return 0, nil
	}
	v, err := current()
	if err != nil {
		return 0, err
	}
	if c.ifNone != "" && tagged(c.ifNone, etag(v)) {
		return 0, scimerr.New(http.StatusPreconditionFailed, "", "the resource has a version that If-None-Match names")
	}
	if c.ifMatch == "" {
		return 0, nil
	}
	if !tagged(c.ifMatch, etag(v)) {
		return 0, ostiary.ErrPrecondition
	}
	return v, nil
}
