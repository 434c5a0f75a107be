package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/audit"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/rate"
	"github.com/ostiary/ostiary/tracing"
)

// Backend is the replicated store that a Server answers from. It is safe for concurrent use.
type Backend interface {
	// Propose commits a mutation, or returns an error that is one of ostiary's sentinels.
	Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error)
	// View returns a view that is as fresh as asked, waiting within the deadline of ctx. The caller
	// closes it.
	View(ctx context.Context, f ostiary.Freshness) (View, error)
	// Now is the time of a request in nanoseconds since 1970 UTC.
	Now() int64
	ClusterID() ostiary.ClusterID
	// Ready returns nil while the backend serves, and otherwise why it does not. What a method Reason() string of
	// the error says is told to anybody.
	Ready() error
}

// View is a read-only picture at one revision. It is safe for concurrent use; what Reader returns
// serves one goroutine and ends with the view.
type View interface {
	Revision() ostiary.Revision
	// DocumentsChanged returns a revision after which no document has changed, and false where that is
	// not known. Views of one Backend that return the same show the same documents.
	DocumentsChanged() (ostiary.Revision, bool)
	// TimeNanos is the newest stamp at or below the revision.
	TimeNanos() (int64, error)
	// RevisionAt is the newest revision whose stamp is not later than a time.
	RevisionAt(timeNanos int64) (ostiary.Revision, error)
	Close()
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
	Documents(collection, afterKey string, limit int, descending bool) ([]ostiary.Document, error)
	CountDocuments(collection string) (int, error)
	// CountedTuples returns how many tuples a store has, and false where it has no quota.
	CountedTuples(store string) (uint64, bool, error)
	// Remembered returns what became of the first mutation of a principal with an idempotency key.
	Remembered(p ostiary.Principal, key string) (ostiary.Remembered, bool, error)
	// LookUp calls found for each of the tuples that is there, in their order, until it returns false.
	LookUp(ctx context.Context, store string, tuples []ostiary.Tuple, found func(i int, t ostiary.StoredTuple) bool) error
	Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error]
	Changes(ctx context.Context, store string, after ostiary.Revision, afterSeq uint32) iter.Seq2[ostiary.Change, error]
	// CountChanges returns how many rows the changelog of a store has of one revision, at which only tuples of
	// that store have changed.
	CountChanges(store string, r ostiary.Revision) (int, error)
	// AuditRows yields the rows of the audit after a place, or before it and newest first; AuditAt is the row at one,
	// and AuditHead the newest.
	AuditRows(ctx context.Context, from audit.Place, newestFirst bool) iter.Seq2[audit.Row, error]
	AuditAt(p audit.Place) (audit.Row, bool, error)
	AuditHead() (audit.Head, bool, error)
	Reader(store string, nowNanos int64) engine.Reader
}

// Options configures NewServer. Backend, Engine and Authenticator are required.
type Options struct {
	Backend Backend
	Engine  *engine.Engine
	// Authenticator says who calls. There is no default: a server that lets everybody in says so with
	// Anonymous.
	Authenticator Authenticator
	Logger        *slog.Logger // nil discards
	Observer      Observer     // nil: nobody
	// Tracer traces requests. Nil: none are traced.
	Tracer *tracing.Tracer
	// Decisions is told what questions were answered with. Nil: nobody is.
	Decisions Decisions
	Limits    Limits
	// LogSlowerThan has requests that take as long or longer logged, but those that last as long as their callers like.
	// Zero: none.
	LogSlowerThan time.Duration
	TLS           TLS
	CORS          CORS
	// AuthZENBaseURL is the URL at which clients reach the HTTP surface. AuthZEN's discovery publishes it,
	// and is refused without it.
	AuthZENBaseURL string
	// LookUpTXT returns the TXT records of a name that ends in a dot, by which mail domains are verified. Nil:
	// the resolver of this machine.
	LookUpTXT func(ctx context.Context, name string) ([]string, error)
	// AccessControl lets callers do only what they were granted (package access). Without it whoever is
	// authenticated may do everything.
	AccessControl bool
	// IdentityKeys are the operator's keys for personal data. Nil: there are none.
	IdentityKeys *identity.Keys
	// StoreRetention is how long a deleted store can come back. Zero: it cannot.
	StoreRetention time.Duration
	// StoreTuples is the quota of tuples of new stores. Zero: they have none.
	StoreTuples uint64
	// AuditRetention is how long rows of the audit are kept. Zero means 90 days.
	AuditRetention time.Duration
	// JudgeURL, where it is set, refuses URLs that the server is to ask and cannot reach. The error says why.
	JudgeURL func(url string) error
	// Backup, where it is set, is what CreateBackup streams. Writable, where it is set, returns an error
	// while the backend refuses writes for want of disk space; /readyz says so.
	Backup   BackupFunc
	Writable func() error
	// Role says what this node is in its cluster: leader, follower, learner or candidate. Nil: a leader.
	Role func() string
	// OnServing, where it is set, is called by Serve once it answers on both listeners.
	OnServing func()
}

// Server answers openfga.v1, authzen.v1 and ostiary.v1. Make one with NewServer.
type Server struct {
	openfgav1.UnsafeOpenFGAServiceServer

	backend        Backend
	engine         *engine.Engine
	authenticator  Authenticator
	logger         *slog.Logger
	observer       Observer // may be nil
	tracer         *tracing.Tracer
	decisions      Decisions // may be nil
	limits         Limits
	slowerThan     time.Duration // zero: no request is slow
	failures, slow logLines
	tls            TLS
	certificates   judgedCertificates
	cors           CORS
	onServing      func()
	idTokens       IDTokens               // nil: none are judged
	judgeURL       func(url string) error // may be nil
	role           func() string
	backup         BackupFunc
	writable       func() error
	backupStall    time.Duration // tests lower it
	storeRetention time.Duration
	newStoreTuples uint64

	authzenBaseURL string
	identity       *identity.Service
	access         *access.Service
	accessControl  bool
	models         *modelCache
	stores         *factCache
	lastRevision   atomic.Pointer[revisionText]
	ids            *idSource
	turns          *turns        // of heavy lists
	discoveries    *rate.Limit   // of callers
	requests       *rate.Limit   // of callers
	tooOften       atomic.Uint64 // requests refused for that
	storeRequests  *rate.Limit   // of stores; the rate is that of each
	storeTooOften  atomic.Uint64 // requests refused for that
	connections    connectionBounds
	modelTurn      chan struct{}           // full while a model is written
	decoding       chan struct{}           // holds one for each body that is being decoded
	sealKey        atomic.Pointer[pageKey] // see storedPageKey

	mounts []mount // only Mount appends to it, before Serve

	draining     chan struct{} // closed when Serve begins to stop
	drainingOnce sync.Once
	streams      callerPlaces
	tails        callerPlaces // streams of the audit
	blasts       callerPlaces // requests of BlastRadius
}

// NewServer returns a server that Serve will run. The error names every option at fault.
func NewServer(o Options) (*Server, error) {
	limits, err := o.Limits.withDefaults()
	faults := []error{err, o.CORS.Validate()}
	if o.Backend == nil {
		faults = append(faults, errors.New("option Backend is nil"))
	}
	if o.Engine == nil {
		faults = append(faults, errors.New("option Engine is nil"))
	}
	if o.Authenticator == nil {
		faults = append(faults, errors.New("option Authenticator is nil: name one, or Anonymous to let everybody in"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("new api server: %w", err)
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	stores := &factCache{}
	o.Backend = noticing{o.Backend, stores}
	known := identity.New(identityBackend{o.Backend}, identity.Options{
		JudgeModel: judgeLatestModel, JudgeMapping: judgeMapping, LookUpTXT: o.LookUpTXT, Keys: o.IdentityKeys,
		AuditRetention: o.AuditRetention})
	callers, err := access.New(accessBackend{o.Backend}, known)
	if err != nil {
		return nil, fmt.Errorf("new api server: %w", err)
	}
	return &Server{
		backend:        o.Backend,
		engine:         o.Engine,
		authenticator:  o.Authenticator,
		logger:         logger.With("component", "api"),
		observer:       o.Observer,
		tracer:         o.Tracer,
		decisions:      o.Decisions,
		limits:         limits,
		slowerThan:     o.LogSlowerThan,
		tls:            o.TLS,
		cors:           o.CORS,
		onServing:      o.OnServing,
		storeRetention: o.StoreRetention,
		newStoreTuples: o.StoreTuples,
		judgeURL:       o.JudgeURL,
		role:           o.Role,
		backup:         o.Backup,
		writable:       o.Writable,
		backupStall:    defaultBackupStall,

		authzenBaseURL: o.AuthZENBaseURL,
		identity:       known,
		access:         callers,
		accessControl:  o.AccessControl,

		models:        newModelCache(limits.MaxCachedModels),
		stores:        stores,
		ids:           newIDSource(),
		discoveries:   rate.New(float64(limits.MaxDiscoveries)),
		requests:      rate.New(float64(limits.MaxRequestRate)),
		storeRequests: rate.New(0),
		connections:   connectionBounds{newPlaces[netip.Addr](limits.MaxConnections, limits.MaxConnectionsPerAddress)},
		turns:         newTurns(limits.MaxHeavyLists, limits.MaxWaitingLists),
		modelTurn:     make(chan struct{}, 1),
		decoding:      make(chan struct{}, maxBodiesDecoding),
		draining:      make(chan struct{}),
		streams:       callerPlaces{newPlaces[string](-1, limits.MaxStreamsPerCaller), "streams", "--max-streams-per-caller"},
		tails:         callerPlaces{newPlaces[string](maxTails, maxTailsPerCaller), "streams of the audit", ""},
		blasts:        callerPlaces{newPlaces[string](maxBlasts, maxBlastsPerCaller), "requests of BlastRadius", ""},
	}, nil
}

// Bounds on connections that no request should ever meet.
const (
	maxHeaderBytes       = 64 << 10
	maxStreamsPerConn    = 1024
	handshakeTimeout     = 10 * time.Second
	readHeaderTimeout    = 5 * time.Second
	idleConnTimeout      = 2 * time.Minute
	maxHTTPBodyReadDelay = 30 * time.Second

	// A gRPC connection without requests is asked whether it is alive, and closed when it has had none for long. Clients
	// may ask themselves, not too often.
	idleGRPCTimeout  = 30 * time.Minute
	keepaliveEvery   = 2 * time.Minute
	keepaliveTimeout = 20 * time.Second
	minKeepalive     = 10 * time.Second
)

// Serve answers on both listeners until ctx ends or a listener fails, and then lets requests under way
// finish within Limits.DrainTimeout. It closes both listeners, and every goroutine it started has ended
// when it returns. A Server serves once.
func (s *Server) Serve(ctx context.Context, grpcListener, httpListener net.Listener) error {
	grpcServer := s.newGRPCServer()
	loop, closeLoop, err := s.newLoopback(grpcServer)
	if err != nil {
		return errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	handler, err := s.newGateway(loop)
	if err != nil {
		closeLoop()
		grpcServer.Stop()
		return errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	httpServer := &http.Server{
		Handler:           handler,
		ConnContext:       withRemote,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       maxHTTPBodyReadDelay,
		IdleTimeout:       idleConnTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}

	grpcListener, httpListener = s.connections.bounded(grpcListener), s.connections.bounded(httpListener)
	failed := make(chan error, 2) // one slot for each goroutine
	var serving sync.WaitGroup
	serving.Go(func() { failed <- describe("serve gRPC", grpcServer.Serve(grpcListener)) })
	serving.Go(func() { failed <- describe("serve HTTP", s.serveHTTP(httpServer, httpListener)) })
	if s.onServing != nil {
		s.onServing()
	}

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	s.drainingOnce.Do(func() { close(s.draining) })
	s.drain(grpcServer, httpServer)
	closeLoop()
	serving.Wait()
	s.failures.tell(s.logger, textFailed)
	s.slow.tell(s.logger, textSlow)
	return cause
}

// describe drops the errors that mean that a server was told to stop.
func describe(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// drain stops both servers, HTTP first since its requests pass through gRPC, and cuts off what has not
// ended within the bound.
func (s *Server) drain(grpcServer *grpc.Server, httpServer *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.DrainTimeout)
	defer cancel()
	if err := httpServer.Shutdown(ctx); err != nil {
		s.logger.Warn("http requests cut off at shutdown", "error", err)
		httpServer.Close()
	}
	stopped := make(chan struct{})
	go func() {
		grpcServer.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		s.logger.Warn("grpc requests cut off at shutdown")
		grpcServer.Stop()
		<-stopped
	}
}

// streamWorkersPerCore is how many goroutines per core wait for requests, with a stack that has grown
// already. With 16 clients on two cores client and server take 26.5 us of CPU for a check with 32 of them,
// 28.6 us with 2 and 30.5 us with none. More do not help, nor do other sizes of the read and write
// buffers or shared write buffers: they stay as they are (go test ./api -bench BenchmarkSettings).
const streamWorkersPerCore = 16

func (s *Server) newGRPCServer() *grpc.Server {
	var secured []grpc.ServerOption
	if s.tls.GRPC != nil {
		secured = append(secured, grpc.Creds(newTransport(asking(s.tls.GRPC, s.tls.ClientCAs, "h2"))))
	}
	server := grpc.NewServer(append(secured,
		grpc.MaxRecvMsgSize(s.limits.MaxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreamsPerConn),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleGRPCTimeout, Time: keepaliveEvery, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minKeepalive, PermitWithoutStream: true}),
		grpc.NumStreamWorkers(streamWorkersPerCore*uint32(runtime.GOMAXPROCS(0))),
		grpc.InTapHandle(keepMetadata),
		grpc.UnaryInterceptor(s.interceptUnary),
		grpc.StreamInterceptor(s.interceptStream),
	)...)
	// Each embeds the Unsafe form of its service, with which a method that is missing does not compile.
	openfgav1.RegisterOpenFGAServiceServer(server, s)
	authzenv1.RegisterAuthZenServiceServer(server, &authzenService{server: s})
	ostiaryv1.RegisterOstiaryServiceServer(server, &ostiaryService{server: s})
	ostiaryv1.RegisterIdentityServiceServer(server, &identityService{server: s})
	ostiaryv1.RegisterSessionServiceServer(server, &sessionService{server: s})
	ostiaryv1.RegisterTupleServiceServer(server, &tupleService{server: s})
	ostiaryv1.RegisterOutboxServiceServer(server, &outboxService{server: s})
	ostiaryv1.RegisterStreamServiceServer(server, &streamService{server: s})
	ostiaryv1.RegisterSigningKeyServiceServer(server, &signingKeyService{server: s})
	ostiaryv1.RegisterStoreAdminServiceServer(server, &storeAdminService{server: s})
	ostiaryv1.RegisterAccessServiceServer(server, &accessService{server: s})
	ostiaryv1.RegisterAuditServiceServer(server, &auditService{server: s})
	ostiaryv1.RegisterBlastRadiusServiceServer(server, &blastRadiusService{server: s})
	healthv1.RegisterHealthServer(server, &health{server: s, services: slices.Sorted(maps.Keys(server.GetServiceInfo()))})
	reflection.Register(server)
	return server
}
