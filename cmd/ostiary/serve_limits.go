package main

import (
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
)

// limitFlags are the bounds of what one request may ask for, under OpenFGA's names.
type limitFlags struct {
	maxTuples           int
	maxTypes            int
	maxModelBytes       int
	maxChecks           int
	maxListObjects      uint32
	listObjectsDeadline time.Duration
	maxListUsers        uint32
	listUsersDeadline   time.Duration
	maxChangesPage      int
	maxDepth            int
	maxConditionCost    int
	maxReads            int
	maxSetEntries       int
	maxHeavyLists       int
	maxWaitingLists     int
	maxDiscoveries      int
	maxRequestRate      int
	maxStoreRate        int
	maxConnections      int
	maxPerAddress       int
	maxStreams          int
	maxMessageBytes     int
	requestTimeout      time.Duration
	shutdownTimeout     time.Duration
}

// Bounds of the bounds: beyond them a setting can only be a slip, or would let one request take the
// whole machine.
const (
	maxResolveNodeLimit = 1000 // evaluation is as deep as its limit
	maxCountLimit       = 1_000_000
	maxBytesLimit       = 256 << 20
	maxReadsLimit       = 1_000_000_000
	maxDurationLimit    = time.Hour
)

func (l *limitFlags) register(f *pflag.FlagSet) {
	before := map[string]bool{}
	f.VisitAll(func(flag *pflag.Flag) { before[flag.Name] = true })
	f.IntVar(&l.maxTuples, "max-tuples-per-write", 100, "tuples in one Write")
	f.IntVar(&l.maxTypes, "max-types-per-authorization-model", 100, "types in one model")
	f.IntVar(&l.maxModelBytes, "max-authorization-model-size-in-bytes", 256<<10, "size of one model in its protobuf form")
	f.IntVar(&l.maxChecks, "max-checks-per-batch-check", 50, "checks in one BatchCheck")
	f.Uint32Var(&l.maxListObjects, "listObjects-max-results", 1000, "objects in one ListObjects answer (0: all)")
	f.DurationVar(&l.listObjectsDeadline, "listObjects-deadline", 3*time.Second, "time for ListObjects and StreamedListObjects (0: that of the request)")
	f.Uint32Var(&l.maxListUsers, "listUsers-max-results", 1000, "users in one ListUsers answer (0: all)")
	f.DurationVar(&l.listUsersDeadline, "listUsers-deadline", 3*time.Second, "time for ListUsers (0: that of the request)")
	f.IntVar(&l.maxChangesPage, "readChanges-max-page-size", 100, "changes in one page of ReadChanges")
	f.IntVar(&l.maxDepth, "resolve-node-limit", 25, "steps on one path of an evaluation")
	f.IntVar(&l.maxConditionCost, "max-condition-evaluation-cost", 100, "cost of one evaluation of a condition, in CEL's units")
	f.IntVar(&l.maxReads, "max-reads", engine.DefaultMaxReads, "tuples that one question may read")
	f.IntVar(&l.maxSetEntries, "max-set-entries", engine.DefaultMaxSetEntries, "entries that one list may put into the sets it is worked out from")
	f.IntVar(&l.maxHeavyLists, "max-heavy-lists", 0, "lists worked out at once, of those that take more than 2 ms (0: one less than the cores, at least one)")
	f.IntVar(&l.maxWaitingLists, "max-waiting-lists", 0, "lists of one store that wait for that; eight times as many of all stores (0: 32 for each core)")
	f.IntVar(&l.maxDiscoveries, "max-discoveries", 20, "how often a second each caller may discover where a mail domain belongs")
	f.IntVar(&l.maxRequestRate, "max-request-rate", 0, "requests a second of each caller, twice as many after a pause (0: no bound)")
	f.IntVar(&l.maxStoreRate, "max-store-request-rate", 0, "requests a second of each store that has no rate of its own (see 'ostiary store quota set'), twice as many after a pause (0: no bound)")
	f.IntVar(&l.maxConnections, "max-connections", 20_000, "connections of gRPC and HTTP together; one above is closed at once (0: no bound)")
	f.IntVar(&l.maxPerAddress, "max-connections-per-address", 0, "connections of one address, and of IPv6 one network of 64 bits (0: no bound)")
	f.IntVar(&l.maxStreams, "max-streams-per-caller", 1000, "streams that one caller has open (0: no bound)")
	f.IntVar(&l.maxMessageBytes, "grpc-max-recv-msg-bytes", 616448, "size of one request over gRPC")
	f.DurationVar(&l.requestTimeout, "request-timeout", 10*time.Second, "time that one request may take")
	f.DurationVar(&l.shutdownTimeout, "shutdown-timeout", 10*time.Second, "time for requests under way when the server is told to stop")
	between(f, "max-tuples-per-write", 1, maxCountLimit)
	between(f, "max-types-per-authorization-model", 1, maxCountLimit)
	between(f, "max-authorization-model-size-in-bytes", 1, maxBytesLimit)
	between(f, "max-checks-per-batch-check", 1, maxCountLimit)
	between(f, "readChanges-max-page-size", 1, maxCountLimit)
	between(f, "resolve-node-limit", 1, maxResolveNodeLimit)
	between(f, "max-condition-evaluation-cost", 1, maxCountLimit)
	between(f, "max-reads", 1, maxReadsLimit)
	between(f, "max-set-entries", 1, maxReadsLimit)
	between(f, "max-heavy-lists", 0, maxCountLimit)
	between(f, "max-waiting-lists", 0, maxCountLimit)
	between(f, "max-discoveries", 1, maxCountLimit)
	between(f, "max-request-rate", 0, maxCountLimit)
	between(f, "max-store-request-rate", 0, maxCountLimit)
	between(f, "max-connections", 0, maxCountLimit)
	between(f, "max-connections-per-address", 0, maxCountLimit)
	between(f, "max-streams-per-caller", 0, maxCountLimit)
	between(f, "grpc-max-recv-msg-bytes", 1024, maxBytesLimit)
	between(f, "listObjects-deadline", time.Duration(0), maxDurationLimit)
	between(f, "listUsers-deadline", time.Duration(0), maxDurationLimit)
	between(f, "request-timeout", time.Millisecond, maxDurationLimit)
	between(f, "shutdown-timeout", time.Millisecond, maxDurationLimit)
	f.VisitAll(func(flag *pflag.Flag) {
		if !before[flag.Name] {
			fromEnv(f, flag.Name)
		}
	})
}

// limits are the bounds as package api has them.
func (l limitFlags) limits() api.Limits {
	return api.Limits{
		MaxTuplesPerWrite:     l.maxTuples,
		MaxTypesPerModel:      l.maxTypes,
		MaxModelBytes:         l.maxModelBytes,
		MaxChecksPerBatch:     l.maxChecks,
		ListObjectsMaxResults: unboundedIfZero(int(l.maxListObjects)),
		ListObjectsDeadline:   unboundedIfZero(l.listObjectsDeadline),
		ListUsersMaxResults:   unboundedIfZero(int(l.maxListUsers)),
		ListUsersDeadline:     unboundedIfZero(l.listUsersDeadline),
		MaxChangesPageSize:    l.maxChangesPage,
		MaxHeavyLists:         l.maxHeavyLists,
		MaxWaitingLists:       l.maxWaitingLists,
		MaxDiscoveries:        l.maxDiscoveries,
		MaxRequestRate:        unboundedIfZero(l.maxRequestRate),
		MaxStoreRequestRate:   unboundedIfZero(l.maxStoreRate),
		MaxConnections:        unboundedIfZero(l.maxConnections),

		MaxConnectionsPerAddress: unboundedIfZero(l.maxPerAddress),
		MaxStreamsPerCaller:      unboundedIfZero(l.maxStreams),
		MaxMessageBytes:          l.maxMessageBytes,
		RequestTimeout:           l.requestTimeout,
		DrainTimeout:             l.shutdownTimeout,
	}
}

// engine are the bounds as package engine has them.
func (l limitFlags) engine() engine.Options {
	return engine.Options{
		MaxDepth: l.maxDepth, MaxReads: l.maxReads, MaxSetEntries: l.maxSetEntries, MaxConditionCost: uint64(l.maxConditionCost),
	}
}

// unboundedIfZero turns OpenFGA's "0 is no bound" into api's "negative is no bound".
func unboundedIfZero[N int | time.Duration](n N) N {
	if n == 0 {
		return -1
	}
	return n
}

// judgePublicURL returns the one of two names of a setting that is set, and refuses what discovery could not
// publish.
func judgePublicURL(public, authzen string) (string, error) {
	name, text := "--public-url", public
	switch {
	case public == "":
		name, text = "--authzen-base-url", authzen
	case authzen != "" && authzen != public:
		return "", usagef("--public-url %q and --authzen-base-url %q name the same setting: give the first alone", public, authzen)
	}
	if text == "" {
		return "", nil
	}
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return "", usagef("%s %q is not a URL: %v", name, text, err)
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return "", usagef("%s %q does not begin with http:// or https://", name, text)
	case parsed.Host == "":
		return "", usagef("%s %q names no host", name, text)
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" || parsed.User != nil:
		return "", usagef("%s %q has a query, a fragment or a user: leave it out", name, text)
	}
	return text, nil
}
