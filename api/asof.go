package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// moment is the revision and the time that a question is asked of. The zero moment is now.
//
// The time decides which grants have expired. At a past revision it is the time of that revision, or the
// one that the request names, or that of the first page: never the time of the request, which would make
// what was true then expire.
type moment struct {
	revision ostiary.Revision // zero: the newest, or the one at the time
	nowNanos int64
	timed    bool // nowNanos is given
	// continued: it is that of the first page of a list, of which a later one is asked for.
	continued bool
}

// position writes m before the place in a list at which a page ended.
func (m moment) position(last []byte) []byte {
	buf := binary.BigEndian.AppendUint64(nil, uint64(m.revision))
	buf = binary.BigEndian.AppendUint64(buf, uint64(m.nowNanos))
	return append(buf, last...)
}

// resume returns the moment of a list and the place after which it goes on, from the token of its last
// page. Without a token it is the moment that the request asks for, and its start.
func (s *Server) resume(ctx context.Context, scope pageScope, token string) (m moment, last []byte, err error) {
	position, err := s.placeOf(ctx, scope, token)
	switch {
	case err != nil:
		return m, nil, err
	case position == nil:
		m, err = s.asOf(ctx)
		return m, nil, err
	case len(position) < 16:
		return m, nil, errPageToken
	}
	m = moment{
		revision: ostiary.Revision(binary.BigEndian.Uint64(position)),
		nowNanos: int64(binary.BigEndian.Uint64(position[8:])), timed: true, continued: true,
	}
	return m, position[16:], nil
}

// asOf returns the moment that the header ostiary-as-of asks for.
func (s *Server) asOf(ctx context.Context) (moment, error) {
	sent := callOf(ctx).sent.asOf
	switch len(sent) {
	case 0:
		return moment{}, nil
	case 1:
	default:
		return moment{}, refuse(codeValidation, "%s is sent %d times: send it once", headerAsOf, len(sent))
	}
	if t, err := time.Parse(time.RFC3339, sent[0]); err == nil {
		nanos := t.UnixNano()
		if now := s.backend.Now(); nanos > now || t.Year() < firstYear || t.Year() > lastYear {
			return moment{}, refuse(codeValidation, "%s is %s, and it is %s: name a time that has passed",
				headerAsOf, sent[0], time.Unix(0, now).UTC().Format(time.RFC3339Nano))
		}
		return moment{nowNanos: nanos, timed: true}, nil
	}
	r, err := ostiary.Token(sent[0]).Revision(s.backend.ClusterID())
	if err != nil {
		return moment{}, fmt.Errorf("%s is neither a time (RFC 3339) nor a token: %w", headerAsOf, err)
	}
	if r == 0 {
		return moment{}, fmt.Errorf("%s names revision 0, before the first: %w", headerAsOf, ostiary.ErrRevisionGone)
	}
	return moment{revision: r}, nil
}

// The years of which every time fits into nanoseconds since 1970.
const (
	firstYear = 1971
	lastYear  = 2261
)

// viewFor takes the view of a moment and its time, and notes its revision for the answer. The store must
// exist then and now: what was in a store that is deleted is nobody's to see. The caller closes it.
func (s *Server) viewFor(
	ctx context.Context, m moment, c openfgav1.ConsistencyPreference, store string,
) (_ View, nowNanos int64, err error) {
	f, err := s.freshness(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	v, err := s.viewAt(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	if _, err := s.facts(v, store); err != nil {
		return nil, 0, err
	}
	if m == (moment{}) {
		return v, s.backend.Now(), nil
	}
	if m.revision == 0 {
		if m.revision, err = v.RevisionAt(m.nowNanos); err != nil {
			return nil, 0, err
		}
	}
	if m.revision == 0 {
		return nil, 0, fmt.Errorf("nothing was written by then: %w", ostiary.ErrRevisionGone)
	}
	if f.AtLeast > m.revision {
		return nil, 0, refuse(codeValidation, "%s asks for revision %d or later, and the request is about revision %d",
			headerAtLeast, f.AtLeast, m.revision)
	}
	past, err := s.viewAt(ctx, ostiary.Freshness{At: m.revision})
	if err != nil {
		return nil, 0, err
	}
	v.Close()
	v = past
	if !m.timed {
		if m.nowNanos, err = v.TimeNanos(); err != nil {
			return nil, 0, err
		}
	}
	_, err = storeDocument(v, store)
	return v, m.nowNanos, err
}

// pastMethods are OpenFGA's methods that answer at a past revision; the rest of its service refuses the
// header, rather than pass over it. Of other services every method that asks a question knows it.
var pastMethods = map[string]bool{
	"Check": true, "BatchCheck": true, "ListObjects": true, "StreamedListObjects": true, "ListUsers": true,
	"Read": true, "Expand": true,
}

// judgeHeaders refuses the headers of ours that a method would pass over.
func judgeHeaders(sent *sent, method string) error {
	if len(sent.asOf) == 0 && len(sent.resume) == 0 && len(sent.once) == 0 {
		return nil
	}
	name, ours := strings.CutPrefix(method, "/"+openfgav1.OpenFGAService_ServiceDesc.ServiceName+"/")
	if !ours {
		return nil
	}
	if !pastMethods[name] && len(sent.asOf) > 0 {
		return refuse(codeValidation, "%s does not answer at a past revision: leave out %s", name, headerAsOf)
	}
	if name != "Write" && len(sent.once) > 0 {
		return refuse(codeValidation, "%s takes no idempotency key: leave out %s", name, headerOnce)
	}
	if name != "ListObjects" && name != "ListUsers" && len(sent.resume) > 0 {
		return refuse(codeValidation, "%s does not continue a list: leave out %s", name, headerContinue)
	}
	return nil
}
