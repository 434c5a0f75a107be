package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// httpConnection is one keep-alive connection of HTTP/1.1. Requests are written as the bytes that they
// were made to before the run: net/http's client costs more than many an answer.
type httpConnection struct {
	address string
	tls     *tls.Config // nil: plain text
	mu      sync.Mutex  // one call at a time
	conn    net.Conn    // nil until the first call, and after a failure
	reader  *bufio.Reader
	body    bytes.Buffer
}

func dialHTTP(t Target) (connection, error) {
	return &httpConnection{address: t.Address, tls: t.TLS}, nil
}

// httpRequest is the bytes of a POST.
func (t Target) httpRequest(path string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ostiary-bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, t.Address, len(body))
	if t.Key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.Key)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func (c *httpConnection) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	return conn.Close()
}

func (c *httpConnection) call(ctx context.Context, r *request, message func([]byte)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		conn, err := c.dial(ctx)
		if err != nil {
			return &callError{code: "connect", message: err.Error()}
		}
		c.conn, c.reader = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := c.exchange(r, message)
	if !stop() && err == nil {
		err = &callError{code: "canceled", message: context.Cause(ctx).Error()}
	}
	if _, answered := err.(*refusal); err != nil && !answered && c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
	if refused, ok := err.(*refusal); ok {
		return &refused.callError
	}
	return err
}

func (c *httpConnection) dial(ctx context.Context) (net.Conn, error) {
	if c.tls == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	}
	return (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.address)
}

// refusal is an answer that says no: the connection goes on.
type refusal struct{ callError }

func (c *httpConnection) exchange(r *request, message func([]byte)) error {
	if _, err := c.conn.Write(r.bytes); err != nil {
		return &callError{code: "send", message: err.Error()}
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return &callError{code: "receive", message: err.Error()}
	}
	defer answer.Body.Close()
	if r.method.stream && answer.StatusCode == http.StatusOK {
		return readLines(answer.Body, message)
	}
	c.body.Reset()
	if _, err := c.body.ReadFrom(io.LimitReader(answer.Body, maxAnswerBytes)); err != nil {
		return &callError{code: "receive", message: err.Error()}
	}
	if answer.Close {
		defer func() { _ = c.conn.Close(); c.conn = nil }()
	}
	if answer.StatusCode/100 != 2 {
		return &refusal{refusalOf(answer.StatusCode, c.body.Bytes())}
	}
	message(c.body.Bytes())
	return nil
}

// readLines hands on every message of a streamed answer: a line of {"result": …} each.
func readLines(body io.Reader, message func([]byte)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), maxAnswerBytes)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			continue
		}
		if bytes.HasPrefix(line, []byte(`{"error"`)) {
			return &callError{code: "stream", message: string(line)}
		}
		message(line)
	}
	if err := lines.Err(); err != nil {
		return &callError{code: "receive", message: err.Error()}
	}
	return nil
}

// refusalOf makes an error of an answer such as {"code":"validation_error","message":"…"}.
func refusalOf(status int, body []byte) callError {
	var fault struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
	}
	code := "http " + strconv.Itoa(status)
	if json.Unmarshal(body, &fault) == nil && fault.Code != nil {
		code += fmt.Sprintf(" %v", fault.Code)
	}
	if fault.Message == "" {
		fault.Message = string(body)
	}
	return callError{code: code, message: fault.Message}
}
