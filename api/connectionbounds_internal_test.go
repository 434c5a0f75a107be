package api

import (
	"net"
	"net/netip"
	"testing"
)

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// TestConnectionBounds: what is taken is given back, and nothing is kept of addresses without connections.
func TestConnectionBounds(t *testing.T) {
	b := newPlaces[netip.Addr](3, 2)
	one, other := networkOf(address("192.0.2.1:1")), networkOf(address("192.0.2.2:1"))
	for i, step := range []struct{ got, want taking }{
		{b.take(one), taken}, {b.take(one), taken}, {b.take(one), takenEach}, {b.take(other), taken}, {b.take(other), takenAll},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %v", i, step.got)
		}
	}
	if open, refusedAll, refusedEach := b.counts(); open != 3 || refusedAll != 1 || refusedEach != 1 {
		t.Errorf("%d are open; refused %d of an address and %d of all", open, refusedEach, refusedAll)
	}
	b.give(one)
	if b.take(other) != taken {
		t.Error("what was given back is not there")
	}
	for _, from := range []net.Addr{address("192.0.2.1:1"), address("192.0.2.2:1"), address("192.0.2.2:1")} {
		b.give(networkOf(from))
	}
	if b.open != 0 || len(b.of) != 0 {
		t.Errorf("left: %d connections, %d addresses", b.open, len(b.of))
	}
	if networkOf(address("[2001:db8::1]:1")) != networkOf(address("[2001:db8::2]:9")) || networkOf(address("[::ffff:192.0.2.1]:1")) != one {
		t.Error("addresses of one network are told apart, or one address written in two ways")
	}
}
