package main

import (
	"bytes"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames makes HTTP/2 as a client sends it, or should not. Nothing that is written to memory fails.
type frames struct {
	out     bytes.Buffer
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func newFrames() *frames {
	f := &frames{}
	f.framer = http2.NewFramer(&f.out, nil)
	f.framer.AllowIllegalWrites = true
	f.encoder = hpack.NewEncoder(&f.block)
	return f
}

func (f *frames) bytes() []byte { return f.out.Bytes() }

func (f *frames) raw(data ...byte) { f.out.Write(data) }

func (f *frames) preface() {
	f.out.WriteString(http2.ClientPreface)
	_ = f.framer.WriteSettings()
}

// head encodes fields, which are names and values by turns.
func (f *frames) head(fields ...string) []byte {
	f.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = f.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.block.Bytes())
}

func requestHead(key, path string) []string {
	return []string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "a", "content-type", "application/grpc",
		"te", "trailers", "authorization", "Bearer " + key}
}

// request begins a call.
func (f *frames) request(stream uint32, key, path string) {
	_ = f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.head(requestHead(key, path)...), EndHeaders: true})
}

func (f *frames) data(stream uint32, end bool, data ...byte) {
	_ = f.framer.WriteData(stream, end, data)
}
