package scim

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/rate"
	"github.com/ostiary/ostiary/scim/query"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Prefix is the path under which a Handler answers: Prefix + connection + "/Users".
const Prefix = "/scim/v2/"

// Options configures New. Service must be set; the zero value of the rest is ready for use.
type Options struct {
	Service *identity.Service
	// Cluster names the cluster, whose tokens and cursors no other takes. Nil: one without a name.
	Cluster func() ostiary.ClusterID
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now func() int64
	// PublicURL is the URL at which clients reach Prefix, without a slash at its end: "https://id.example.com".
	// Empty takes scheme and host from each request.
	PublicURL string
	Logger    *slog.Logger // nil discards
	Observer  Observer     // nil: nobody
	Pages     query.Limits
	// MaxBodyBytes bounds the body of a request. Zero means 8 MiB.
	MaxBodyBytes int64
	// MaxBulkOperations bounds the operations of a Bulk request. Zero means 1,000.
	MaxBulkOperations int
	// RequestsPerSecond bounds what a connection may ask for, with twice as many at once after a pause. Zero
	// means 1,000, negative does not bound.
	RequestsPerSecond int
	// MaxSorted bounds the resources that one answer sorts. Zero means 20,000.
	MaxSorted int
	// OAuth says in the discovery that there are access tokens by client credentials. Package oauth gives them.
	OAuth bool
	// CursorLifetime is how long a cursor is good for. Zero means 10 minutes.
	CursorLifetime time.Duration
}

func (o Options) withDefaults() Options {
	o.Pages = o.Pages.WithDefaults()
	if o.Cluster == nil {
		o.Cluster = func() ostiary.ClusterID { return ostiary.ClusterID{} }
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 8 << 20
	}
	if o.MaxBulkOperations == 0 {
		o.MaxBulkOperations = 1000
	}
	if o.RequestsPerSecond == 0 {
		o.RequestsPerSecond = 1000
	}
	if o.MaxSorted == 0 {
		o.MaxSorted = 20_000
	}
	if o.CursorLifetime == 0 {
		o.CursorLifetime = 10 * time.Minute
	}
	return o
}

// Handler answers requests below Prefix.
type Handler struct {
	o     Options
	rates *rate.Limit   // of connections
	lists chan struct{} // holds one for each list that reads many resources
	bulks chan struct{} // holds one for each Bulk request
}

// New returns a Handler.
func New(o Options) *Handler {
	o = o.withDefaults()
	return &Handler{o: o, rates: rate.New(float64(o.RequestsPerSecond)), lists: make(chan struct{}, maxLists), bulks: make(chan struct{}, maxBulks)}
}

// call is one request, or one operation of a Bulk request.
type call struct {
	h       *Handler
	ctx     context.Context
	dir     *identity.Directory
	request *identity.Request // what is recorded of it
	dialect resource.Dialect
	base    string   // the URL of the connection
	path    []string // below it
	method  string
	params  query.Params
	body    []byte
	data    *resource.Object // the body of an operation of a Bulk request
	ifMatch string
	ifNone  string
	inBulk  bool
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	t := newTrace(r)
	a, err := h.serve(w, r, t)
	if err != nil {
		a = h.refusal(r, err)
	}
	h.record(t, a.status, err)
	h.write(w, r, a)
	h.observe(r, a, err, time.Since(began))
	h.o.Logger.Debug("scim request", "method", r.Method, "status", a.status, "duration", time.Since(began))
}

// serve opens the connection, reads the body and answers.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, t *trace) (answer, error) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	if !ok {
		return answer{}, noEndpoint()
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i := range parts {
		text, err := url.PathUnescape(parts[i])
		if err != nil {
			return answer{}, noEndpoint()
		}
		parts[i] = text
	}
	t.connection = parts[0]
	t.request.Path = loggedPath(parts[1:], r.URL.Query().Has)
	ctx := identity.WithRequest(r.Context(), &t.request)
	ctx, dir, err := h.o.Service.Directory(ctx, parts[0], r.Header.Get("Authorization"))
	if err != nil {
		return answer{}, err
	}
	t.ctx, t.dir = ctx, dir
	if err := h.spend(dir.Connection().ID, 1); err != nil {
		return answer{}, err
	}
	c := &call{
		h: h, ctx: ctx, dir: dir, request: &t.request, path: parts[1:], method: r.Method,
		base:    h.baseURL(r) + Prefix + parts[0],
		ifMatch: r.Header.Get("If-Match"), ifNone: r.Header.Get("If-None-Match"),
	}
	if dir.Connection().Dialect == identity.DialectStrict {
		c.dialect = resource.Strict
	}
	if c.method == http.MethodHead {
		c.method = http.MethodGet
	}
	if c.params, err = query.FromURL(r.URL.RawQuery); err != nil {
		return answer{}, err
	}
	if c.body, err = h.readBody(w, r); err != nil {
		return answer{}, err
	}
	return c.route()
}

// baseURL returns scheme and host as the client sees them.
func (h *Handler) baseURL(r *http.Request) string {
	if h.o.PublicURL != "" {
		return h.o.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func noEndpoint() error {
	return scimerr.New(http.StatusNotFound, "", "there is no such endpoint")
}

// route finds who answers a path.
func (c *call) route() (answer, error) {
	if len(c.path) == 0 {
		return answer{}, notOffered("queries of all resources at once")
	}
	switch c.path[0] {
	case "ServiceProviderConfig", "ResourceTypes", "Schemas":
		return c.discover()
	case "Bulk":
		return c.only(http.MethodPost, 1, c.bulk)
	case "Me":
		return answer{}, notOffered("/Me")
	case ".search":
		return answer{}, notOffered("searches of all resources at once")
	case "Users":
		return c.resources(c.users(), userVerbs)
	case "Groups":
		return c.resources(c.groups(), groupVerbs)
	case "Roles":
		return c.resources(c.grants(resource.Role, ""), nil)
	case "Entitlements":
		return c.resources(c.grants(resource.Entitlement, ""), nil)
	}
	sort, found, err := c.sortAt(c.path[0])
	if err != nil || !found {
		return answer{}, cmp.Or(err, noEndpoint())
	}
	return c.resources(c.grants(resource.Entitlement, sort), nil)
}

func notOffered(what string) error {
	return scimerr.New(http.StatusNotImplemented, "", "%s are not offered", what)
}

// only runs a handler when method and the length of the path are right.
func (c *call) only(method string, parts int, run func() (answer, error)) (answer, error) {
	if len(c.path) != parts {
		return answer{}, noEndpoint()
	}
	if c.method != method {
		return answer{}, wrongMethod(method)
	}
	return run()
}

// methodError is a refusal that names the methods there are.
type methodError struct {
	refused *scimerr.Error
	allow   string
}

func (e *methodError) Error() string { return e.refused.Error() }
func (e *methodError) Unwrap() error { return e.refused }

func wrongMethod(allow string) error {
	return &methodError{scimerr.New(http.StatusMethodNotAllowed, "", "this endpoint knows %s", allow), allow}
}

// verbs are what changes resources of a kind.
type verbs struct {
	create func(*call) (answer, error)
	change map[string]func(c *call, id string) (answer, error) // by method
	scope  identity.Scope
}

// resources answers the endpoint of a kind.
func (c *call) resources(s source, v *verbs) (answer, error) {
	search := len(c.path) == 2 && c.path[1] == ".search"
	if c.method == http.MethodGet && !search || search && c.method == http.MethodPost {
		if err := c.dir.Allow(s.read); err != nil {
			return answer{}, err
		}
	}
	switch {
	case search:
		return c.only(http.MethodPost, 2, func() (answer, error) { return c.search(s) })
	case len(c.path) == 1 && c.method == http.MethodGet:
		return c.list(s, c.params)
	case len(c.path) == 2 && c.method == http.MethodGet:
		return c.get(s, c.path[1])
	case len(c.path) > 2:
		return answer{}, noEndpoint()
	case v == nil:
		return answer{}, wrongMethod("GET")
	}
	if err := c.dir.Allow(v.scope); err != nil {
		return answer{}, err
	}
	if len(c.path) == 1 {
		if c.method != http.MethodPost {
			return answer{}, wrongMethod("GET, POST")
		}
		return v.create(c)
	}
	change, ok := v.change[c.method]
	if !ok {
		return answer{}, wrongMethod("GET, PUT, PATCH, DELETE")
	}
	return change(c, c.path[1])
}
