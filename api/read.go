package api

import (
	"context"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// Read returns stored tuples that match a tuple key, part by part; it follows no rewrite. Without a
// tuple key it returns all tuples of the store. The order is one that pages can follow and no other. All
// pages show the revision of the first, whatever is written meanwhile.
func (s *Server) Read(ctx context.Context, req *openfgav1.ReadRequest) (*openfgav1.ReadResponse, error) {
	filter, err := readFilter(req)
	if err != nil {
		return nil, err
	}
	scope := pageScope{kind: pageTuples, store: req.GetStoreId(), filter: filterText(req.GetTupleKey())}
	m, last, err := s.resume(ctx, scope, req.GetContinuationToken())
	if err != nil {
		return nil, err
	}
	after, err := positionTuple(last)
	if err != nil {
		return nil, err
	}
	v, now, err := s.viewFor(ctx, m, req.GetConsistency(), req.GetStoreId())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return s.readPage(ctx, v, filter, after, scope, s.pageSize(req.GetPageSize()), now)
}

func (s *Server) readPage(
	ctx context.Context, v View, f ostiary.Filter, after *ostiary.Tuple, scope pageScope, size int, nowNanos int64,
) (*openfgav1.ReadResponse, error) {
	resp := &openfgav1.ReadResponse{}
	for t, err := range v.Tuples(ctx, f, after) {
		if err != nil {
			return nil, err
		}
		grant, lives := shownGrant(t, nowNanos)
		if !lives {
			continue
		}
		if len(resp.Tuples) == size { // there is one more
			last := resp.Tuples[size-1].GetKey()
			at := moment{revision: v.Revision(), nowNanos: nowNanos, timed: true}
			resp.ContinuationToken, err = s.pageToken(ctx, scope, at.position(positionBytes(last.GetObject(), last.GetRelation(), last.GetUser())))
			return resp, err
		}
		key, err := wireTuple(t.Tuple, grant)
		if err != nil {
			return nil, err
		}
		resp.Tuples = append(resp.Tuples, &openfgav1.Tuple{Key: key, Timestamp: timestamp(t.CreatedNanos)})
	}
	return resp, ctx.Err()
}

// readFilter applies OpenFGA's rules for the tuple key of a Read: an object type is needed, and with it
// an object id or a user.
func readFilter(req *openfgav1.ReadRequest) (ostiary.Filter, error) {
	f := ostiary.Filter{Store: req.GetStoreId()}
	k := req.GetTupleKey()
	if k == nil {
		return f, nil
	}
	typ, id, colon := strings.Cut(k.GetObject(), ":")
	if !colon || typ == "" || (id == "" && k.GetUser() == "") {
		return f, refuse(codeValidation, "the 'tuple_key' field was provided but the object type field is required "+
			"and both the object id and user cannot be empty")
	}
	f.Relation = k.GetRelation() // the field's validator knows its form, except for control characters
	if f.Relation != "" {
		if err := parseRelation(f.Relation); err != nil {
			return f, wrapFault("", err)
		}
	}
	if id == "" {
		if _, err := ostiary.ParseObject(typ + ":x"); err != nil {
			return f, refuse(codeValidation, "invalid 'object' field format")
		}
		f.ObjectType = typ
	} else {
		object, err := parseObject(k.GetObject())
		if err != nil {
			return f, wrapFault("", err)
		}
		f.Object = object
	}
	if k.GetUser() != "" {
		subject, err := parseSubject(k.GetUser())
		if err != nil {
			return f, wrapFault("", err)
		}
		f.Subject = subject
	}
	return f, nil
}

// filterText tells the tuple keys of Reads apart.
func filterText(k *openfgav1.ReadRequestTupleKey) string {
	if k == nil {
		return ""
	}
	return strings.Join([]string{k.GetObject(), k.GetRelation(), k.GetUser()}, "\x00")
}
