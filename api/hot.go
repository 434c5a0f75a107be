package api

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The gateway finds a route, carries headers over to metadata and back, and decodes and encodes JSON by
// reflection, which costs almost twice what a check does (go test ./api -bench
// BenchmarkCheck/surface=http -cpuprofile). The methods below are asked most, and nearly always in a plain
// form, which is read and written here; whatever is not plain goes on to the gateway. Both give the same
// answers: TestHotAnswersAsTheGateway.

// wholeBody is the body of a request that has been read.
type wholeBody struct {
	bytes.Reader
	data []byte
}

func newWholeBody(data []byte) *wholeBody {
	b := &wholeBody{data: data}
	b.Reset(data)
	return b
}

func (*wholeBody) Close() error { return nil }

// hotMethod is one that is answered without the gateway.
type hotMethod struct {
	name   string
	handle func(s *Server, ctx context.Context, req any) (any, error)
	// read returns the message of a body in its plain form.
	read func(store string, body []byte) (proto.Message, bool)
	// write appends the JSON of an answer in its plain form. Nil is for a stream, whose answers are objects.
	write func(to []byte, resp any) ([]byte, bool)
}

// hotMethods are told by what follows the store in a path.
var hotMethods = map[string]hotMethod{
	"check":                 {openfgav1.OpenFGAService_Check_FullMethodName, (*Server).serveCheck, readCheck, writeCheck},
	"batch-check":           {openfgav1.OpenFGAService_BatchCheck_FullMethodName, (*Server).serveBatchCheck, readBatchCheck, writeBatchCheck},
	"list-objects":          {openfgav1.OpenFGAService_ListObjects_FullMethodName, (*Server).serveListObjects, readListObjects, writeListObjects},
	"streamed-list-objects": {openfgav1.OpenFGAService_StreamedListObjects_FullMethodName, (*Server).serveStreamedListObjects, readStreamedListObjects, nil},
}

// notPlain are the request headers that the gateway knows what to do with.
var notPlain = []string{
	"Grpc-Timeout", "Te", http.CanonicalHeaderKey(headerAtLeast), http.CanonicalHeaderKey(headerAsOf), http.CanonicalHeaderKey(headerContinue), http.CanonicalHeaderKey(headerOnce),
}

// hot answers what it can and passes the rest on.
func (s *Server) hot(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m, req, ok := s.plainRequest(r); ok {
			s.serveHot(w, r, m, req)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainRequest returns the message of a request that needs no gateway.
func (s *Server) plainRequest(r *http.Request) (m hotMethod, req proto.Message, ok bool) {
	body, whole := r.Body.(*wholeBody)
	if !whole || r.Method != http.MethodPost || r.URL.RawPath != "" || r.URL.RawQuery != "" || len(body.data) > s.limits.MaxMessageBytes {
		return m, nil, false
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/stores/")
	if !ok {
		return m, nil, false
	}
	store, method, _ := strings.Cut(path, "/")
	if m, ok = hotMethods[method]; !ok || !plainID(store) {
		return m, nil, false
	}
	for _, name := range notPlain {
		if len(r.Header[name]) > 0 {
			return m, nil, false
		}
	}
	req, ok = m.read(store, body.data)
	return m, req, ok
}

// answerNames are the names over HTTP of the headers that outgoingHeader knows.
var answerNames = func() map[string]string {
	names := map[string]string{}
	for _, key := range []string{headerRevision, headerToken, headerTruncated, headerContinue, headerReason, headerStore, headerModel, headerRetry} {
		if name, ok := outgoingHeader(key); ok {
			names[key] = name
		}
	}
	return names
}()

func (s *Server) serveHot(w http.ResponseWriter, r *http.Request, m hotMethod, req proto.Message) {
	brought := sent{requestID: r.Header[http.CanonicalHeaderKey(headerRequestID)], authorization: r.Header["Authorization"],
		traceparent: r.Header["Traceparent"], tracestate: r.Header["Tracestate"]}
	var handle grpc.UnaryHandler = func(ctx context.Context, req any) (any, error) { return m.handle(s, ctx, req) }
	resp, c, err := s.unary(leaveHTTP(r.Context()), brought, m.name, req, handle)
	header := w.Header()
	s.headers(c, func(key, value string) {
		if name, ok := answerNames[key]; ok {
			header[name] = []string{value}
		}
	})
	if m.write == nil {
		s.writeStream(w, resp, err)
		return
	}
	if err != nil {
		httpStatus, name, message := wireError(status.Convert(err))
		if c.retryAfter > 0 {
			httpStatus = http.StatusTooManyRequests
		}
		writeError(w, httpStatus, name, message)
		return
	}
	header["Content-Type"] = []string{"application/json"}
	text, ok := m.write(nil, resp)
	if !ok {
		if text, err = (protojson.MarshalOptions{EmitUnpopulated: true}).Marshal(resp.(proto.Message)); err != nil {
			s.logger.Error("answer not encoded", "request_id", c.id(), "method", m.name, "error", err)
			httpStatus, name, message := wireError(status.New(codeInternal, "internal error (request "+c.id()+")"))
			writeError(w, httpStatus, name, message)
			return
		}
	}
	w.Write(text) // an error means that the client is gone
}

func readCheck(store string, body []byte) (proto.Message, bool) {
	req := &openfgav1.CheckRequest{StoreId: store}
	p := plainJSON{data: body}
	ok := p.object(func(name string) bool {
		switch name {
		case "tuple_key":
			return req.TupleKey == nil && p.key(&req.TupleKey)
		case "authorization_model_id":
			return p.text(&req.AuthorizationModelId)
		case "consistency":
			return p.consistency(&req.Consistency)
		}
		return false
	})
	return req, ok && p.end()
}

func readBatchCheck(store string, body []byte) (proto.Message, bool) {
	req := &openfgav1.BatchCheckRequest{StoreId: store}
	p := plainJSON{data: body}
	ok := p.object(func(name string) bool {
		switch name {
		case "checks":
			return req.Checks == nil && p.list(func() bool {
				item := &openfgav1.BatchCheckItem{}
				req.Checks = append(req.Checks, item)
				return p.object(func(name string) bool {
					switch name {
					case "tuple_key":
						return item.TupleKey == nil && p.key(&item.TupleKey)
					case "correlation_id":
						return p.text(&item.CorrelationId)
					}
					return false
				})
			})
		case "authorization_model_id":
			return p.text(&req.AuthorizationModelId)
		case "consistency":
			return p.consistency(&req.Consistency)
		}
		return false
	})
	return req, ok && p.end()
}

func readListObjects(store string, body []byte) (proto.Message, bool) {
	req := &openfgav1.ListObjectsRequest{StoreId: store}
	return req, readPlainList(body, &req.Type, &req.Relation, &req.User, &req.AuthorizationModelId, &req.Consistency)
}

func readStreamedListObjects(store string, body []byte) (proto.Message, bool) {
	req := &openfgav1.StreamedListObjectsRequest{StoreId: store}
	return req, readPlainList(body, &req.Type, &req.Relation, &req.User, &req.AuthorizationModelId, &req.Consistency)
}

func readPlainList(body []byte, typ, relation, user, model *string, consistency *openfgav1.ConsistencyPreference) bool {
	p := plainJSON{data: body}
	ok := p.object(func(name string) bool {
		switch name {
		case "type":
			return p.text(typ)
		case "relation":
			return p.text(relation)
		case "user":
			return p.text(user)
		case "authorization_model_id":
			return p.text(model)
		case "consistency":
			return p.consistency(consistency)
		}
		return false
	})
	return ok && p.end()
}

func writeCheck(to []byte, resp any) ([]byte, bool) {
	r := resp.(*openfgav1.CheckResponse)
	if r.GetResolution() != "" {
		return nil, false
	}
	if r.GetAllowed() {
		return append(to, `{"allowed":true,"resolution":""}`...), true
	}
	return append(to, `{"allowed":false,"resolution":""}`...), true
}

func writeBatchCheck(to []byte, resp any) ([]byte, bool) {
	results := resp.(*openfgav1.BatchCheckResponse).GetResult()
	to = append(to, `{"result":{`...)
	for i, id := range sortedKeys(results) {
		allowed, ok := results[id].GetCheckResult().(*openfgav1.BatchCheckSingleResult_Allowed)
		if !ok {
			return nil, false
		}
		if i > 0 {
			to = append(to, ',')
		}
		if to, ok = appendPlain(to, id); !ok {
			return nil, false
		}
		if allowed.Allowed {
			to = append(to, `:{"allowed":true}`...)
		} else {
			to = append(to, `:{"allowed":false}`...)
		}
	}
	return append(to, `}}`...), true
}

func writeListObjects(to []byte, resp any) ([]byte, bool) {
	objects := resp.(*openfgav1.ListObjectsResponse).GetObjects()
	size := len(`{"objects":[]}`)
	for _, o := range objects {
		size += len(o) + len(`"",`)
	}
	to = append(slices.Grow(to, size), `{"objects":[`...)
	for i, o := range objects {
		if i > 0 {
			to = append(to, ',')
		}
		var ok bool
		if to, ok = appendPlain(to, o); !ok {
			return nil, false
		}
	}
	return append(to, `]}`...), true
}

// appendPlain appends a text as JSON, unless JSON would have to escape something in it.
func appendPlain(to []byte, text string) ([]byte, bool) {
	to = append(to, '"')
	for i := range len(text) {
		if !plainByte(text[i]) {
			return nil, false
		}
	}
	return append(append(to, text...), '"'), true
}

// plainByte reports whether a byte stands for itself in a JSON string, and is a character.
func plainByte(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }
