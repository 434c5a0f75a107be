package egress

import (
	"errors"
	"net/netip"
	"testing"
)

// What is judged is the address that is dialled; a public one needs TLS.
func TestJudgeAddress(t *testing.T) {
	c := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for _, test := range []struct {
		address string
		secure  bool
		want    bool
	}{
		{"8.8.8.8:443", true, true},
		{"8.8.8.8:443", false, false},
		{"10.1.2.3:80", false, true},
		{"[::ffff:10.1.2.3]:80", false, true},
		{"[64:ff9b::a01:203]:443", true, true}, // 10.1.2.3 behind NAT64
		{"10.2.0.1:443", true, false},
		{"[fe80::1%1]:443", true, false},
		{"example.com:443", true, false},
		{"", true, false},
	} {
		if err := c.judge(test.address, test.secure); (err == nil) != test.want || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s, secure %t: got %v", test.address, test.secure, err)
		}
	}
}
