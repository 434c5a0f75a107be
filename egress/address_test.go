package egress_test

import (
	"net/netip"
	"testing"

	"github.com/ostiary/ostiary/egress"
)

// IDENTITY g.0, rule 17: what is not public is not asked, in whatever form its address comes.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8":                              true,
		"100.63.255.255":                       true,
		"172.32.0.1":                           true,
		"2606:4700::1111":                      true,
		"64:ff9b::808:808":                     true,
		"0.0.0.0":                              false,
		"10.1.2.3":                             false,
		"100.64.0.1":                           false,
		"100.100.100.200":                      false, // metadata
		"127.0.0.1":                            false,
		"127.255.255.254":                      false,
		"168.63.129.16":                        false, // metadata
		"169.254.169.254":                      false, // metadata
		"172.16.0.1":                           false,
		"172.31.255.255":                       false,
		"192.0.0.192":                          false, // metadata
		"192.168.1.1":                          false,
		"198.18.0.1":                           false,
		"224.0.0.1":                            false,
		"255.255.255.255":                      false,
		"::":                                   false,
		"::1":                                  false,
		"::127.0.0.1":                          false,
		"::ffff:127.0.0.1":                     false,
		"::ffff:169.254.169.254":               false,
		"64:ff9b::a9fe:a9fe":                   false, // 169.254.169.254 behind NAT64
		"64:ff9b:1::1":                         false,
		"2002:7f00:1::":                        false, // 127.0.0.1 by 6to4
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": false, // Teredo
		"fc00::1":                              false,
		"fd00:ec2::254":                        false, // metadata
		"fe80::1%eth0":                         false,
		"fec0::1":                              false,
		"ff02::1":                              false,
		"4000::1":                              false,
	} {
		if got := egress.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
	if egress.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestParseAllow(t *testing.T) {
	got, err := egress.ParseAllow([]string{"10.1.0.0/16", "192.0.2.7", "fd00::/8"})
	if err != nil || len(got) != 3 || got[1] != netip.MustParsePrefix("192.0.2.7/32") {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "example.com", "10.1.2.3/16", "10.0.0.0/33", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "fe80::1%eth0"} {
		if got, err := egress.ParseAllow([]string{text}); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
