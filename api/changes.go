package api

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
)

// ReadChanges returns what was written and deleted in a store, oldest first. The last page of all has
// a token too, from which later changes can be read on.
func (s *Server) ReadChanges(ctx context.Context, req *openfgav1.ReadChangesRequest) (*openfgav1.ReadChangesResponse, error) {
	size, most := s.pageSize(req.GetPageSize()), s.limits.MaxChangesPageSize
	switch {
	case !utf8.ValidString(req.GetType()): // gRPC refuses it before; in a query nothing else does
		return nil, refuse(codeValidation, "invalid ReadChangesRequest.Type: string field contains invalid UTF-8")
	case req.GetPageSize() == nil:
		size = min(size, most)
	case size > most: // the field's validator sets no bound; as its faults, this one has a number of its own in HTTP alone
		return nil, refuse(codes.InvalidArgument, "invalid ReadChangesRequest.PageSize: value must be inside range [1, %d]", most)
	}
	scope := pageScope{kind: pageChanges, store: req.GetStoreId(), filter: req.GetType()}
	position, err := s.pagePosition(ctx, scope, req.GetContinuationToken())
	switch {
	case errors.Is(err, errPageScope):
		return nil, refuse(codeTokenTypeMismatch, "The type in the querystring and the continuation token don't match")
	case err != nil:
		return nil, err
	}
	after, err := changePosition(position)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	since := int64(math.MinInt64)
	if req.GetStartTime() != nil && position == nil {
		since = req.GetStartTime().AsTime().UnixNano()
		if after, err = changesSince(v, since); err != nil {
			return nil, err
		}
	}
	return s.changesPage(ctx, v, req, scope, after, since, size)
}

// changesSince returns a place in the changelog after which no change earlier than a time is skipped
// one by one.
func changesSince(v View, sinceNanos int64) (changeAt, error) {
	if sinceNanos == math.MinInt64 {
		return changeAt{}, nil
	}
	r, err := v.RevisionAt(sinceNanos - 1)
	switch {
	case errors.Is(err, ostiary.ErrRevisionGone): // everything that is kept is later
		return changeAt{}, nil
	case err != nil:
		return changeAt{}, err
	}
	return changeAt{r, math.MaxUint32}, nil
}

// maxChangesScanned bounds the changes that one page looks at. A page of a type that few changes are
// about may so be empty; its token says how far it has looked, and the next page goes on from there.
const maxChangesScanned = 10_000

func (s *Server) changesPage(
	ctx context.Context, v View, req *openfgav1.ReadChangesRequest, scope pageScope, after changeAt, sinceNanos int64, size int,
) (*openfgav1.ReadChangesResponse, error) {
	resp := &openfgav1.ReadChangesResponse{ContinuationToken: req.GetContinuationToken()}
	var last changeAt
	scanned, cut := 0, false
	for c, err := range v.Changes(ctx, req.GetStoreId(), after.revision, after.sequence) {
		if err != nil {
			return nil, err
		}
		if c.TimeNanos < sinceNanos {
			continue
		}
		last = changeAt{c.Revision, c.Sequence}
		if scanned++; req.GetType() != "" && c.Tuple.Object.Type != req.GetType() {
			if scanned == maxChangesScanned {
				cut = true
				break
			}
			continue
		}
		change, err := wireChange(c)
		if err != nil {
			return nil, err
		}
		resp.Changes = append(resp.Changes, change)
		if cut = len(resp.Changes) == size || scanned == maxChangesScanned; cut {
			break
		}
	}
	if err := ctx.Err(); err != nil || len(resp.Changes) == 0 && !cut {
		return resp, err
	}
	var err error
	resp.ContinuationToken, err = s.pageToken(ctx, scope, last.bytes())
	return resp, err
}

func wireChange(c ostiary.Change) (*openfgav1.TupleChange, error) {
	key, err := wireTuple(c.Tuple, c.Grant)
	if err != nil {
		return nil, err
	}
	op := openfgav1.TupleOperation_TUPLE_OPERATION_WRITE
	if c.Op == ostiary.ChangeDelete {
		op = openfgav1.TupleOperation_TUPLE_OPERATION_DELETE
		key.Condition = nil
	}
	return &openfgav1.TupleChange{TupleKey: key, Operation: op, Timestamp: timestamp(c.TimeNanos)}, nil
}

// changeAt is a place in the changelog.
type changeAt struct {
	revision ostiary.Revision
	sequence uint32
}

func (a changeAt) bytes() []byte {
	buf := binary.BigEndian.AppendUint64(nil, uint64(a.revision))
	return binary.BigEndian.AppendUint32(buf, a.sequence)
}

// changePosition reads the place at which a page ended; the zero place is the start.
func changePosition(position []byte) (changeAt, error) {
	switch len(position) {
	case 0:
		return changeAt{}, nil
	case 12:
		return changeAt{ostiary.Revision(binary.BigEndian.Uint64(position)), binary.BigEndian.Uint32(position[8:])}, nil
	}
	return changeAt{}, errPageToken
}
