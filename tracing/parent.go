package tracing

import (
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Lengths of the parts of a traceparent of version 00: version, trace id, span id, flags, with a dash between.
const (
	traceEnd     = 2 + 1 + 32
	spanEnd      = traceEnd + 1 + 16
	parentLength = spanEnd + 1 + 2
	// maxParentBytes and maxStateBytes bound what is read; what is longer is as if it were not there.
	maxParentBytes = 256
	maxStateBytes  = 512
)

// parseParent reads the headers traceparent and tracestate of W3C Trace Context, level 1. What is not as it should be is
// as if it were not there.
func parseParent(traceparent, tracestate []string) (c trace.SpanContextConfig, ok bool) {
	if len(traceparent) != 1 {
		return c, false
	}
	text := traceparent[0]
	if len(text) < parentLength || len(text) > maxParentBytes || text[2] != '-' || text[traceEnd] != '-' || text[spanEnd] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !lowerHex(version[:], text[:2]) || version[0] == 0xff || !lowerHex(c.TraceID[:], text[3:traceEnd]) ||
		!lowerHex(c.SpanID[:], text[traceEnd+1:spanEnd]) || !lowerHex(flags[:], text[spanEnd+1:parentLength]) {
		return c, false
	}
	if !c.TraceID.IsValid() || !c.SpanID.IsValid() {
		return c, false
	}
	if len(text) > parentLength && (version[0] == 0 || text[parentLength] != '-') { // a later version may say more
		return c, false
	}
	c.TraceFlags = trace.TraceFlags(flags[0]) & trace.FlagsSampled
	if !c.TraceFlags.IsSampled() {
		return c, true
	}
	if state := strings.Join(tracestate, ","); len(state) <= maxStateBytes {
		c.TraceState, _ = trace.ParseTraceState(state) // one that cannot be read is dropped
	}
	return c, true
}

func lowerHex(to []byte, text string) bool {
	if strings.ToLower(text) != text {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}
