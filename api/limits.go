package api

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Limits bounds what one request may ask for. The zero value of a field means its default, which is
// OpenFGA's where OpenFGA has one.
type Limits struct {
	// MaxTuplesPerWrite bounds writes and deletes together in one Write. Zero means 100.
	MaxTuplesPerWrite int
	// MaxTypesPerModel bounds the types of one authorization model. Zero means 100.
	MaxTypesPerModel int
	// MaxModelBytes bounds a model in its protobuf form. Zero means 256 KiB.
	MaxModelBytes int
	// MaxConditionContextBytes bounds the context stored with one tuple. Zero means 32 KiB.
	MaxConditionContextBytes int
	// MaxChecksPerBatch bounds one BatchCheck. Zero means 50.
	MaxChecksPerBatch int
	// ListObjectsMaxResults and ListUsersMaxResults bound a list; what is left out is announced by the
	// header ostiary-truncated. Zero means 1000, negative means no bound.
	ListObjectsMaxResults int
	ListUsersMaxResults   int
	// ListObjectsDeadline and ListUsersDeadline bound the evaluation of one list. Zero means 3 s, negative
	// means RequestTimeout.
	ListObjectsDeadline time.Duration
	ListUsersDeadline   time.Duration
	// MaxHeavyLists bounds the lists that are worked out at once, of those that take more than 2 ms. Zero
	// means one less than the cores (GOMAXPROCS), and at least one.
	MaxHeavyLists int
	// MaxWaitingLists bounds the lists of one store that wait for that; one more is refused. Eight times
	// as many may wait of all stores. Zero means 32 for each core.
	MaxWaitingLists int
	// MaxDiscoveries bounds how often a second each caller may discover where a mail domain belongs. Zero means
	// 20.
	MaxDiscoveries int
	// MaxRequestRate bounds how many requests a second each caller may make, health checks apart; after a pause twice as
	// many. Zero or negative means no bound.
	MaxRequestRate int
	// MaxStoreRequestRate bounds how many requests a second each store may get from this server, of those that have no
	// rate of their own; after a pause twice as many. Zero or negative means no bound.
	MaxStoreRequestRate int
	// MaxConnections bounds the connections of gRPC and HTTP together, MaxConnectionsPerAddress those of one address
	// (of IPv6, one network of 64 bits). Zero means 20,000 and no bound; negative no bound.
	MaxConnections, MaxConnectionsPerAddress int
	// MaxStreamsPerCaller bounds the streams that one caller has open, health watches apart. Zero means 1,000, negative
	// no bound.
	MaxStreamsPerCaller int
	// RequestTimeout bounds every request but health checks. Zero means 10 s.
	RequestTimeout time.Duration
	// MaxMessageBytes bounds a gRPC request. Zero means 602 KiB, which is 512 KiB and room for a key.
	MaxMessageBytes int
	// MaxBodyBytes bounds the JSON of an HTTP request. Zero means MaxMessageBytes.
	MaxBodyBytes int64
	// PageSize is the size of a page for which the request names none. Zero means 50.
	PageSize int
	// MaxChangesPageSize bounds a page of changes. Zero means 100.
	MaxChangesPageSize int
	// MaxCachedModels bounds the compiled models kept in memory. Zero means 500.
	MaxCachedModels int
	// DrainTimeout bounds how long Serve waits for requests under way once it is told to stop. Zero
	// means 10 s.
	DrainTimeout time.Duration
}

// defaultMaxConnections is more than a server should ever have, and less than would take its memory.
const defaultMaxConnections = 20_000

func (l Limits) withDefaults() (Limits, error) {
	var faults []error
	count := func(name string, field *int, def, least int) {
		if *field == 0 {
			*field = def
		}
		if *field < least {
			faults = append(faults, fmt.Errorf("%s is %d: it must be at least %d", name, *field, least))
		}
	}
	count("MaxTuplesPerWrite", &l.MaxTuplesPerWrite, 100, 1)
	count("MaxTypesPerModel", &l.MaxTypesPerModel, 100, 1)
	count("MaxModelBytes", &l.MaxModelBytes, 256<<10, 1)
	count("MaxConditionContextBytes", &l.MaxConditionContextBytes, 32<<10, 1)
	count("MaxChecksPerBatch", &l.MaxChecksPerBatch, 50, 1)
	count("MaxMessageBytes", &l.MaxMessageBytes, 616448, 1024)
	count("PageSize", &l.PageSize, 50, 1)
	count("MaxChangesPageSize", &l.MaxChangesPageSize, 100, 1)
	count("MaxDiscoveries", &l.MaxDiscoveries, 20, 1)
	count("MaxCachedModels", &l.MaxCachedModels, 500, 1)
	if l.MaxRequestRate == 0 {
		l.MaxRequestRate = -1
	}
	if l.MaxConnections == 0 {
		l.MaxConnections = defaultMaxConnections
	}
	if l.MaxConnectionsPerAddress == 0 {
		l.MaxConnectionsPerAddress = -1
	}
	if l.MaxStreamsPerCaller == 0 {
		l.MaxStreamsPerCaller = 1000
	}
	cores := runtime.GOMAXPROCS(0)
	count("MaxHeavyLists", &l.MaxHeavyLists, max(1, cores-1), 1)
	count("MaxWaitingLists", &l.MaxWaitingLists, 32*cores, 1)
	if l.ListObjectsMaxResults == 0 {
		l.ListObjectsMaxResults = 1000
	}
	if l.ListUsersMaxResults == 0 {
		l.ListUsersMaxResults = 1000
	}
	if l.MaxBodyBytes == 0 {
		l.MaxBodyBytes = int64(l.MaxMessageBytes)
	}
	if l.ListObjectsDeadline == 0 {
		l.ListObjectsDeadline = 3 * time.Second
	}
	if l.ListUsersDeadline == 0 {
		l.ListUsersDeadline = 3 * time.Second
	}
	if l.RequestTimeout == 0 {
		l.RequestTimeout = 10 * time.Second
	}
	if l.DrainTimeout == 0 {
		l.DrainTimeout = 10 * time.Second
	}
	if l.MaxBodyBytes < 1024 {
		faults = append(faults, fmt.Errorf("MaxBodyBytes is %d: it must be at least 1024", l.MaxBodyBytes))
	}
	if l.RequestTimeout < 0 || l.DrainTimeout < 0 {
		faults = append(faults, errors.New("RequestTimeout and DrainTimeout must not be negative"))
	}
	return l, errors.Join(faults...)
}
