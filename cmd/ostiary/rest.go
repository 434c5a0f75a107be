package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// restConn carries the calls of OpenFGA's generated client over its HTTP API, which is what an operator
// has the address of. It makes calls that answer once, not streams. Safe for concurrent use.
type restConn struct {
	base  *url.URL
	token string // sent as a bearer token where it is not empty
	http  *http.Client
	// serverTime is the newest Date header seen, in Unix seconds; 0 before the first answer.
	serverTime atomic.Int64
}

var _ grpc.ClientConnInterface = (*restConn)(nil)

// newRESTConn returns a connection to the HTTP API at address, which may hold a path.
func newRESTConn(flag, address, token string, timeout time.Duration) (*restConn, error) {
	base, err := parseURL(flag, address)
	if err != nil {
		return nil, err
	}
	return &restConn{base: base, token: token, http: &http.Client{Timeout: timeout}}, nil
}

// parseURL reads the address of an HTTP API.
func parseURL(flag, address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, usagef("%s: %v", flag, err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, usagef("%s %q is not the address of an HTTP API, such as http://127.0.0.1:8080", flag, address)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, usagef("%s %q: leave out user, query and fragment; a key goes into the flag for it", flag, base.Redacted())
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return base, nil
}

// NewStream refuses: nothing here asks for a stream.
func (c *restConn) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fmt.Errorf("%s is a stream, which this connection does not carry", method)
}

// Invoke makes one call. A failure is a *serverError.
func (c *restConn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	rule, err := ruleOf(method)
	if err != nil {
		return err
	}
	request, err := c.newRequest(ctx, rule, args.(proto.Message))
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.lost(err)
	}
	defer response.Body.Close()
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		c.serverTime.Store(date.Unix())
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return c.lost(err)
	case len(body) > maxAnswerBytes:
		return c.refused(codes.ResourceExhausted, fmt.Sprintf("the answer is longer than %d bytes", maxAnswerBytes))
	case response.StatusCode >= 300:
		return c.refused(restCode(response.StatusCode, body))
	}
	if len(body) == 0 { // 204: there is nothing to say
		return nil
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, reply.(proto.Message)); err != nil {
		return c.refused(codes.Internal, fmt.Sprintf("the answer is not OpenFGA's JSON (is this the address of its HTTP API?): %v", err))
	}
	return nil
}

func (c *restConn) refused(code codes.Code, message string) error {
	return &serverError{server: c.base.String(), code: code, message: message, foreign: true}
}

// lost is the error of a call that got no answer. The cause names the address.
func (c *restConn) lost(err error) error {
	code := codes.Unavailable
	var failure *url.Error
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.As(err, &failure) && failure.Timeout() {
		code = codes.DeadlineExceeded
	}
	return c.refused(code, err.Error())
}

// restCode returns the code and message of a refusal: OpenFGA's where the body names it, otherwise one
// that the status stands for.
func restCode(status int, body []byte) (codes.Code, string) {
	var refusal struct{ Code, Message string }
	if json.Unmarshal(body, &refusal) == nil && refusal.Code != "" {
		for _, values := range []map[string]int32{
			openfgav1.AuthErrorCode_value, openfgav1.ErrorCode_value, openfgav1.NotFoundErrorCode_value,
			openfgav1.InternalErrorCode_value, openfgav1.UnprocessableContentErrorCode_value,
		} {
			if number, ok := values[refusal.Code]; ok && number != 0 {
				return codes.Code(number), refusal.Message
			}
		}
	}
	message := fmt.Sprintf("HTTP status %d", status)
	if refusal.Message != "" {
		message = refusal.Message
	}
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument, message
	case http.StatusUnauthorized:
		return codes.Unauthenticated, message
	case http.StatusForbidden:
		return codes.PermissionDenied, message
	case http.StatusNotFound:
		return codes.NotFound, message + "; is this the address of OpenFGA's HTTP API?"
	case http.StatusConflict:
		return codes.Aborted, message
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		return codes.Unavailable, message
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded, message
	}
	return codes.Unknown, message
}

// ruleOf returns how a method such as "/openfga.v1.OpenFGAService/Check" is called over HTTP: the API's
// description says it.
func ruleOf(method string) (*annotations.HttpRule, error) {
	service := openfgav1.File_openfga_v1_openfga_service_proto.Services().ByName("OpenFGAService")
	described := service.Methods().ByName(protoreflect.Name(method[strings.LastIndexByte(method, '/')+1:]))
	if described == nil {
		return nil, fmt.Errorf("OpenFGA's API has no method %s", method)
	}
	rule, ok := proto.GetExtension(described.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil, fmt.Errorf("%s cannot be called over HTTP", method)
	}
	return rule, nil
}

// newRequest puts the fields of a message where the rule wants them: into the path, and the others into
// the body or the query.
func (c *restConn) newRequest(ctx context.Context, rule *annotations.HttpRule, args proto.Message) (*http.Request, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(args)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	verb, template := verbAndPath(rule)
	address := *c.base
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		name, ok := strings.CutPrefix(segment, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		segments[i] = url.PathEscape(plainText(fields[name]))
		delete(fields, name)
	}
	address.RawPath = c.base.EscapedPath() + strings.Join(segments, "/")
	if address.Path, err = url.PathUnescape(address.RawPath); err != nil {
		return nil, err
	}
	var body io.Reader
	if rule.GetBody() == "*" {
		encoded, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	} else {
		query := url.Values{}
		for name, value := range fields {
			query.Set(name, plainText(value))
		}
		address.RawQuery = query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, verb, address.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "ostiary-cli")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

func verbAndPath(rule *annotations.HttpRule) (verb, path string) {
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, pattern.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, pattern.Put
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, pattern.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, pattern.Patch
	}
	return http.MethodPost, rule.GetPost()
}

// plainText is a JSON value as it stands in a path or query: a string without its quotes.
func plainText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
