package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/api"
)

// serveFlags are what 'serve' can be told. Names follow OpenFGA's where it has the setting.
type serveFlags struct {
	config         string
	dataDir        string
	grpcAddr       string
	httpAddr       string
	dev            bool
	authn          authnFlags
	logFormat      string
	logLevel       string
	cors           api.CORS
	publicURL      string
	authzenBaseURL string // OpenFGA's name of the same
	identityKeys   string // file
	retention      time.Duration
	auditRetention time.Duration
	slowerThan     time.Duration // of requests that are logged; zero: none
	adminAddr      string
	adminChosen    bool // --admin-addr was given
	memoryLimit    byteSize
	cacheSize      byteSize
	limits         limitFlags
	cluster        clusterFlags
	egress         egressFlags
	signing        signingFlags
	trace          traceFlags
	decisions      decisionFlags
	stores         storeFlags
	tls            tlsFlags
	unknown        []unknownVariable // of the environment
}

func newServeCommand(a *app) *cobra.Command {
	flags, set := newServe()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server",
		Long: `Run a server on a data folder. It answers gRPC and HTTP until it gets SIGINT or SIGTERM, then lets the
requests under way finish. Every flag can be set by an environment variable; the flag goes first.

Without an authentication method the server does not start, except with --dev, which answers everybody
who reaches this machine's loopback addresses and listens nowhere else.`,
		Example: `  ostiary serve --dev --data-dir ./data
  OSTIARY_AUTHN_PRESHARED_KEYS=secret ostiary serve --data-dir /var/lib/ostiary --authn-method preshared \
    --grpc-addr 0.0.0.0:8081 --http-addr 0.0.0.0:8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags.adminChosen = cmd.Flags().Changed("admin-addr")
			flags.unknown = a.unknownVariables(cmd.Root())
			return a.serve(cmd.Context(), *flags)
		},
	}
	cmd.Flags().AddFlagSet(set)
	return cmd
}

// newServe returns the flags of 'serve', which are the settings of a server.
func newServe() (*serveFlags, *pflag.FlagSet) {
	flags, f := &serveFlags{cacheSize: -1}, pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.StringVar(&flags.dataDir, "data-dir", "./ostiary-data", "folder that holds everything; created when missing")
	f.StringVar(&flags.grpcAddr, "grpc-addr", "127.0.0.1:8081", "address for gRPC")
	f.StringVar(&flags.httpAddr, "http-addr", "127.0.0.1:8080", "address for HTTP")
	f.BoolVar(&flags.dev, "dev", false, "no authentication, on loopback addresses alone")
	f.StringVar(&flags.logFormat, "log-format", "text", "text or json")
	f.StringVar(&flags.logLevel, "log-level", "info", "debug, info, warn or error")
	f.DurationVar(&flags.slowerThan, "log-slow-requests", 0, "log requests that take as long or longer, 20 a second at most (0: none)")
	f.StringSliceVar(&flags.cors.AllowedOrigins, "http-cors-allowed-origins", []string{"*"}, "origins whose pages may call over HTTP (*: all)")
	f.StringSliceVar(&flags.cors.AllowedHeaders, "http-cors-allowed-headers", []string{"*"}, "request headers that such a page may set (*: all)")
	f.StringVar(&flags.publicURL, "public-url", "", "URL at which clients reach this server, for the locations of SCIM resources, OAuth's metadata and AuthZEN's discovery (with --dev: the address for HTTP)")
	f.StringVar(&flags.authzenBaseURL, "authzen-base-url", "", "OpenFGA's name of --public-url")
	f.StringVar(&flags.identityKeys, "identity-key-file", "", "file with keys for personal data, one a line: 32 bytes in base64 or hex; the first wraps, all open")
	f.DurationVar(&flags.retention, "history-retention", 24*time.Hour, "how long past revisions can be read, and ReadChanges reaches back (0: for ever)")
	f.DurationVar(&flags.auditRetention, "audit-retention", 90*24*time.Hour, "how long the audit is kept, and what ostiary access log and ostiary connection log show, of which each store keeps a million rows at most")
	f.StringVar(&flags.adminAddr, "admin-addr", defaultAdminAddr, "address for metrics (/metrics), profiles (/debug/pprof), /debug/raft and /debug/cache, without authentication (empty: none)")
	f.Var(&flags.memoryLimit, "memory-limit", "memory of the whole process, as 2GiB (0: half of what the machine or the control group has)")
	f.Var(&flags.cacheSize, "cache-size", "memory of the cache of edges, as 256MiB (0: none; without: a quarter of --memory-limit)")
	fromEnv(f, "admin-addr", "memory-limit", "cache-size", "history-retention", "audit-retention", "data-dir", "grpc-addr", "http-addr", "dev",
		"log-format", "log-level", "log-slow-requests", "http-cors-allowed-origins", "http-cors-allowed-headers", "public-url", "authzen-base-url", "identity-key-file")
	flags.authn.register(f)
	f.StringVar(&flags.config, configFlag, "", "file of settings, YAML: the names of these flags and their values (ostiary config reference)")
	fromEnv(f, configFlag)
	oneOf(f, "log-format", "text", "json")
	oneOf(f, "log-level", "debug", "info", "warn", "error")
	between(f, "log-slow-requests", time.Duration(0), maxDurationLimit)
	between(f, "history-retention", time.Duration(0), maxRetention)
	between(f, "audit-retention", minAuditRetention, maxAuditRetention)
	flags.cluster.register(f)
	flags.limits.register(f)
	flags.egress.register(f)
	flags.signing.register(f)
	flags.trace.register(f)
	flags.decisions.register(f)
	flags.stores.register(f)
	flags.tls.register(f)
	return flags, f
}

// The bounds of what is kept for a time: ten years, and of --audit-retention a day.
const (
	minAuditRetention = 24 * time.Hour
	maxAuditRetention = maxRetention
	maxRetention      = 10 * 365 * 24 * time.Hour
)

// heapGrowth is how much the heap grows, in percent of what of it is alive, before it is collected; near the
// memory limit it is collected earlier. Half as many collections as with Go's 100 take 5 % off what a check
// costs without a cache (GOGC=100 ostiary bench run -- --cache-size 0, and GOGC=200).
const heapGrowth = 200

// judge returns the options of a node with these settings, without its listeners, which it does not open. log is for
// what the node logs.
func (flags serveFlags) judge(log io.Writer) (nodeOptions, error) {
	none := nodeOptions{}
	logger, err := newLogger(log, flags.logFormat, flags.logLevel)
	if err != nil {
		return none, err
	}
	callers, err := flags.judgeCallers(logger)
	if err != nil {
		return none, err
	}
	if err := flags.cors.Validate(); err != nil {
		return none, usagef("--http-cors-allowed-origins, --http-cors-allowed-headers: %v", err)
	}
	egressAllow, err := flags.egress.networks()
	if err != nil {
		return none, err
	}
	cluster, err := flags.cluster.judge(flags.dev)
	if err != nil {
		return none, err
	}
	signingRotation, err := flags.signing.rotation()
	if err != nil {
		return none, err
	}
	publicURL, err := judgePublicURL(flags.publicURL, flags.authzenBaseURL)
	if err != nil {
		return none, err
	}
	identityKeys, err := readIdentityKeys(flags.identityKeys)
	if err != nil {
		return none, err
	}
	traced, err := flags.trace.judge(logger)
	if err != nil {
		return none, err
	}
	decisions, err := flags.decisions.judge(traced, logger)
	if err != nil {
		return none, err
	}
	memory, err := planMemory(flags.memoryLimit, flags.cacheSize, machineMemory(os.DirFS("/")))
	if err != nil {
		return none, usagef("%v", err)
	}
	o := nodeOptions{
		dataDir:       flags.dataDir,
		authenticator: callers.authenticator, accessControl: callers.control, oidc: callers.oidc, limits: flags.limits.limits(), engine: flags.limits.engine(), cors: flags.cors,
		memory:         memory,
		authzenBaseURL: publicURL,
		identityKeys:   identityKeys,
		retention:      keptForEverIfZero(flags.retention),
		auditRetention: flags.auditRetention,
		slowerThan:     flags.slowerThan,
		storeRetention: flags.stores.retention,
		storeTuples:    flags.stores.tuples,
		cluster:        cluster,
		egressAllow:    egressAllow,
		trace:          traced,
		decisionLog:    decisions,

		signingRotation: signingRotation,
		logger:          logger,
	}
	err = flags.openNodeTLS(&o)
	o.tls.files = append(o.tls.files, callers.files...)
	o.tls.callers = callers.authorities
	return o, err
}

func (a *app) serve(ctx context.Context, flags serveFlags) error {
	o, err := flags.judge(a.err)
	if err != nil {
		return err
	}
	for _, v := range flags.unknown {
		o.logger.Warn("environment variable is no setting, and is passed over", "variable", v.name, "hint", v.hint)
	}
	if flags.decisions.to == decisionsStdout {
		if o.decisionLog.Writer, err = ownOutput(a.out); err != nil {
			return err
		}
	}
	debug.SetMemoryLimit(o.memory.heap)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if o.cluster.Security.PlainText {
		a.talkf("%s", a.paintErr(red, "The port between nodes has no certificates: everybody on this machine may join the cluster."))
	}
	if flags.dev {
		a.talkf("%s", a.paintErr(red, "DEVELOPMENT MODE: no authentication. Everybody on this machine may read and change everything."))
	}
	if !flags.dev && !o.accessControl {
		o.logger.Warn("access control is off: whoever has a key may do everything (--access-control on)")
	}
	grpcListener, err := net.Listen("tcp", flags.grpcAddr)
	if err != nil {
		return fmt.Errorf("listen for gRPC (--grpc-addr): %w", err)
	}
	httpListener, err := net.Listen("tcp", flags.httpAddr)
	if err != nil {
		return fmt.Errorf("listen for HTTP (--http-addr): %w", errors.Join(err, grpcListener.Close()))
	}
	if flags.dev {
		if err := errors.Join(boundToLoopback(grpcListener), boundToLoopback(httpListener)); err != nil {
			return errors.Join(err, grpcListener.Close(), httpListener.Close())
		}
	}
	adminListener, err := listenAdmin(flags.adminAddr, flags.adminChosen, o.logger)
	if err != nil {
		return errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	if flags.dev && adminListener != nil {
		if err := boundToLoopback(adminListener); err != nil {
			return errors.Join(err, grpcListener.Close(), httpListener.Close(), adminListener.Close())
		}
	}
	if flags.dev && o.authzenBaseURL == "" {
		o.authzenBaseURL = schemeOf(o.tls.http) + httpListener.Addr().String()
	}
	warnOfPlainText(o.logger, grpcListener, "--grpc-addr", o.tls.grpc, "whoever is on the way reads requests, answers and keys of callers")
	warnOfPlainText(o.logger, httpListener, "--http-addr", o.tls.http, "whoever is on the way reads requests, answers and keys of callers")
	warnOfPlainText(o.logger, adminListener, "--admin-addr", o.tls.admin, "metrics and profiles are open to whoever reaches this address")
	o.tls.every = a.reloadEvery
	o.grpc, o.http, o.admin = grpcListener, httpListener, adminListener
	o.ready = func() {
		grpcAddr, httpAddr := grpcListener.Addr().String(), httpListener.Addr().String()
		a.printf("ready: gRPC on %s, HTTP on %s%s, data in %s", grpcAddr, schemeOf(o.tls.http), httpAddr, flags.dataDir)
		if a.ready != nil {
			a.ready(grpcAddr, httpAddr)
		}
	}
	return runNode(ctx, o)
}

// keptForEverIfZero turns "0 keeps everything", or another "0 turns it off", into raftstore's negative value.
func keptForEverIfZero(retention time.Duration) time.Duration {
	if retention == 0 {
		return -1
	}
	return retention
}

// loopbackOnly refuses an address that other machines could reach.
func loopbackOnly(flag, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("%s %q is not host:port", flag, address)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("%s %q is not a loopback address: --dev has no authentication and listens on 127.0.0.1, ::1 or localhost alone", flag, address)
}

// boundToLoopback makes sure of what loopbackOnly judged by the name: "localhost" is what the resolver
// says it is.
func boundToLoopback(listener net.Listener) error {
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil
	}
	return usagef("%s is not a loopback address: --dev has no authentication and listens on 127.0.0.1, ::1 or localhost alone", listener.Addr())
}

// newLogger returns a logger that writes to w.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var options slog.HandlerOptions
	var parsed slog.Level
	if err := parsed.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q is none of debug, info, warn, error", level)
	}
	options.Level = parsed
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &options)), nil
	}
	return nil, usagef("--log-format %q is neither text nor json", format)
}
