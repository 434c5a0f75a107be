package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// Of malformed requests: how many clients send them, how long each rests after one, and how long an answer is waited
// for.
const (
	malformedClients = 8
	malformedPause   = 100 * time.Millisecond
	malformedAnswer  = 2 * time.Second
)

// malformation is a way to send what no client should.
type malformation struct {
	name string
	grpc bool // to the port of gRPC; otherwise to that of HTTP
	make func(m *malformer) []byte
}

// malformer is where malformed requests are made for.
type malformer struct {
	random     *rand.Rand
	store, key string
}

const checkPath = "/openfga.v1.OpenFGAService/Check"

func (m *malformer) noise(n int) []byte {
	noise := make([]byte, n)
	for i := range noise {
		noise[i] = byte(m.random.Uint32())
	}
	return noise
}

// post is a request over HTTP/1.1 with a body.
func (m *malformer) post(path, fields string, body []byte) []byte {
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s\r\n", path, m.key, fields), body...)
}

func (m *malformer) sized(path string, body []byte) []byte {
	return m.post(path, fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
}

// opened is a connection of HTTP/2 to which more is added.
func opened(more func(f *frames)) []byte {
	f := newFrames()
	f.preface()
	more(f)
	return f.bytes()
}

// asked is a call with a message.
func (m *malformer) asked(message []byte) []byte {
	return opened(func(f *frames) {
		f.request(1, m.key, checkPath)
		for len(message) > 16<<10 {
			f.data(1, false, message[:16<<10]...)
			message = message[16<<10:]
		}
		f.data(1, true, message...)
	})
}

var malformations = []malformation{
	{"noise over HTTP", false, func(m *malformer) []byte { return m.noise(4 << 10) }},
	{"a request line of 1 MB", false, func(*malformer) []byte { return []byte("GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\n\r\n") }},
	{"a header of 1 MB", false, func(m *malformer) []byte { return m.post("/stores", "X-A: "+strings.Repeat("a", 1<<20)+"\r\n", nil) }},
	{"100,000 headers", false, func(m *malformer) []byte { return m.post("/stores", strings.Repeat("X-A: b\r\n", 100_000), nil) }},
	{"1 GB announced", false, func(m *malformer) []byte {
		return m.post("/stores/"+m.store+"/check", "Content-Length: 1000000000\r\n", bytes.Repeat([]byte(" "), 1<<20))
	}},
	{"chunks without end", false, func(m *malformer) []byte {
		chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
		return m.post("/stores/"+m.store+"/check", "Transfer-Encoding: chunked\r\n", []byte(strings.Repeat(chunk, 32)))
	}},
	{"chunks and a length", false, func(m *malformer) []byte {
		return m.post("/stores/"+m.store+"/check", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", []byte("0\r\n\r\nGET /"))
	}},
	{"a length below zero", false, func(m *malformer) []byte { return m.post("/stores", "Content-Length: -1\r\n", nil) }},
	{"deep JSON", false, func(m *malformer) []byte {
		return m.sized("/stores/"+m.store+"/check", []byte(`{"context":`+strings.Repeat(`{"a":`, 100_000)))
	}},
	{"deep JSON of a list", false, func(m *malformer) []byte {
		return m.sized("/stores/"+m.store+"/write", bytes.Repeat([]byte("["), 500_000))
	}},
	{"deep JSON for SCIM", false, func(m *malformer) []byte {
		return m.sized("/scim/v2/c00000000000000000000000000/Users", bytes.Repeat([]byte("["), 500_000))
	}},
	{"a deep model", false, func(m *malformer) []byte {
		return m.sized("/stores/"+m.store+"/authorization-models", []byte(`{"schema_version":"1.1","type_definitions":[{"type":"a","relations":{"b":`+
			strings.Repeat(`{"difference":{"base":`, 5_000)))
	}},
	{"noise as JSON", false, func(m *malformer) []byte { return m.sized("/stores/"+m.store+"/check", m.noise(1<<10)) }},
	{"HTTP/2 to the port of HTTP", false, func(m *malformer) []byte { return opened(func(f *frames) { f.request(1, m.key, checkPath) }) }},

	{"HTTP/1.1 for gRPC", true, func(*malformer) []byte { return []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }},
	{"noise over gRPC", true, func(m *malformer) []byte { return m.noise(4 << 10) }},
	{"noise after the preface", true, func(m *malformer) []byte { return opened(func(f *frames) { f.raw(m.noise(4 << 10)...) }) }},
	{"a frame of 16 MB", true, func(*malformer) []byte {
		return opened(func(f *frames) {
			f.raw(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1)
			f.raw(make([]byte, 64<<10)...)
		})
	}},
	{"10,000 settings", true, func(*malformer) []byte {
		return opened(func(f *frames) {
			for range 10_000 {
				_ = f.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			}
		})
	}},
	{"10,000 pings", true, func(*malformer) []byte {
		return opened(func(f *frames) {
			for range 10_000 {
				_ = f.framer.WritePing(false, [8]byte{})
			}
		})
	}},
	{"continuations without end", true, func(m *malformer) []byte {
		return opened(func(f *frames) {
			_ = f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.head(requestHead(m.key, checkPath)...)})
			more := f.head("x-a", strings.Repeat("a", 8<<10))
			for range 500 {
				_ = f.framer.WriteContinuation(1, false, more)
			}
		})
	}},
	{"a small head that unpacks to a large one", true, func(m *malformer) []byte {
		return opened(func(f *frames) {
			block := append(f.head(append(requestHead(m.key, checkPath), "x-bomb", strings.Repeat("a", 3_000))...), bytes.Repeat([]byte{0x80 | 62}, 12<<10)...)
			_ = f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
		})
	}},
	{"5,000 streams, each reset at once", true, func(m *malformer) []byte {
		return opened(func(f *frames) {
			for i := range uint32(5_000) {
				f.request(2*i+1, m.key, checkPath)
				_ = f.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			}
		})
	}},
	{"5,000 streams left open", true, func(m *malformer) []byte {
		return opened(func(f *frames) {
			for i := range uint32(5_000) {
				f.request(2*i+1, m.key, checkPath)
			}
		})
	}},
	{"a window beyond its bound", true, func(*malformer) []byte {
		return opened(func(f *frames) {
			_ = f.framer.WriteWindowUpdate(0, 1<<31-1)
			_ = f.framer.WriteWindowUpdate(0, 1<<31-1)
		})
	}},
	{"data of no stream", true, func(*malformer) []byte { return opened(func(f *frames) { f.data(0, true, 1, 2, 3) }) }},
	{"a message of 4 GB", true, func(m *malformer) []byte {
		return m.asked(append([]byte{0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 32<<10)...))
	}},
	{"a message above the bound", true, func(m *malformer) []byte {
		return m.asked(append([]byte{0, 0, 0x0f, 0xff, 0xff}, make([]byte, 60<<10)...))
	}},
	{"noise as a message", true, func(m *malformer) []byte { return m.asked(append([]byte{0, 0, 0, 4, 0}, m.noise(1<<10)...)) }},
	{"a packed message of no known sort", true, func(m *malformer) []byte { return m.asked(append([]byte{1, 0, 0, 4, 0}, m.noise(1<<10)...)) }},
	{"a path of no method", true, func(m *malformer) []byte {
		return opened(func(f *frames) { f.request(1, m.key, "/"+strings.Repeat("a", 10_000)) })
	}},
}

// malformed sends each of the malformed requests, over and over.
func malformed(ctx context.Context, a *attacker) (string, error) {
	var turn, sent, answered, unclosed atomic.Int64
	var clients sync.WaitGroup
	for i := range malformedClients {
		m := &malformer{random: rand.New(rand.NewPCG(uint64(i), 0)), store: a.Wide, key: a.Guest}
		clients.Go(func() {
			for ctx.Err() == nil {
				at := int(turn.Add(1) - 1)
				bad := malformations[at%len(malformations)]
				n := a.Nodes[at/len(malformations)%len(a.Nodes)]
				address, protocol := n.HTTP, "http/1.1"
				if bad.grpc {
					address, protocol = n.GRPC, "h2"
				}
				got, closed, err := a.exchange(ctx, i, address, protocol, bad.make(m))
				if err == nil {
					sent.Add(1)
					if got > 0 {
						answered.Add(1)
					}
					if !closed {
						unclosed.Add(1)
					}
				}
				sleep(ctx, malformedPause)
			}
		})
	}
	clients.Wait()
	return fmt.Sprintf("%d sent, of %d sorts; %d answered, %d not closed by the server within %s", sent.Load(), len(malformations), answered.Load(), unclosed.Load(), malformedAnswer), nil
}

// exchange sends data on a connection of its own, and says how much came back and whether the server closed.
func (a *attacker) exchange(ctx context.Context, i int, address, protocol string, data []byte) (got int64, closed bool, err error) {
	conn, err := a.speakAs(ctx, i, address, protocol)
	if err != nil {
		return 0, false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() { _, _ = conn.Write(data) }() // the server may stop reading; closing ends it
	if err := conn.SetReadDeadline(time.Now().Add(malformedAnswer)); err != nil {
		return 0, false, err
	}
	got, err = io.Copy(io.Discard, conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return got, false, nil
	}
	return got, true, nil
}
