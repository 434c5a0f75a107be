package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary"
)

// The gateway takes a stream from a server of gRPC in memory, message by message, and sends each line by itself: ten
// times the CPU, the client's included (go test ./api -run '^$' -bench BenchmarkStreamedListObjects). The list is known
// as a whole before its first line goes out, so lines go out together.

// pieceBytes is how much of a stream is sent at once: what a record of TLS holds.
const pieceBytes = 16 << 10

// streamed is a list that is to be sent, and its place among the streams of its caller, to be left then.
type streamed struct {
	objects []ostiary.ObjectRef
	leave   func()
}

func (s *Server) serveStreamedListObjects(ctx context.Context, req any) (resp any, err error) {
	leave, err := s.streams.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if resp == nil { // of a panic too
			leave()
		}
	}()
	objects, err := s.listObjects(ctx, req.(*openfgav1.StreamedListObjectsRequest), nil, wholeList)
	if err != nil {
		return nil, err
	}
	return &streamed{objects, leave}, nil
}

// writeStream answers with the objects of a list as the gateway answers a stream: a line each, or one that is the
// error. A client who is gone ends it.
func (s *Server) writeStream(w http.ResponseWriter, resp any, err error) {
	header := w.Header()
	header["Transfer-Encoding"] = []string{"chunked"}
	if err != nil {
		s.writeStreamError(w, err)
		return
	}
	list := resp.(*streamed)
	defer list.leave()
	objects := list.objects
	if len(objects) == 0 {
		return
	}
	header["Content-Type"] = []string{"application/json"}
	piece := make([]byte, 0, pieceBytes)
	for i := range objects {
		if piece, err = appendLine(piece, &objects[i]); err != nil {
			s.logger.Error("object of a list not encoded", "object", objects[i].String(), "error", err)
			return
		}
		if len(piece) < pieceBytes && i < len(objects)-1 {
			continue
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		piece = piece[:0]
	}
}

// appendLine appends the line of one object.
func appendLine(to []byte, o *ostiary.ObjectRef) ([]byte, error) {
	if plainInStream(o.Type) && plainInStream(o.ID) {
		to = append(append(append(to, `{"result":{"object":"`...), o.Type...), ':')
		return append(append(to, o.ID...), "\"}}\n"...), nil
	}
	line, err := gatewayJSON.Marshal(map[string]any{"result": &openfgav1.StreamedListObjectsResponse{Object: o.String()}})
	return append(append(to, line...), '\n'), err
}

// plainInStream reports whether the gateway writes a text as it is: other than in an answer that is no stream, it
// escapes what HTML might mistake.
func plainInStream(text string) bool {
	for i := range len(text) {
		if c := text[i]; !plainByte(c) || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func (s *Server) writeStreamError(w http.ResponseWriter, err error) {
	st := streamStatus(context.Background(), err)
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(runtime.HTTPStatusFromCode(st.Code()))
	line, err := gatewayJSON.Marshal(map[string]proto.Message{"error": st.Proto()})
	if err != nil {
		line = fmt.Appendf(nil, `{"error":{"code":%d}}`, st.Code())
	}
	w.Write(append(line, '\n')) // an error means that the client is gone
}
