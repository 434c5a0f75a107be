package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrRefused is the error of a request to where none may go. Options.Allow lifts it.
var ErrRefused = errors.New("address is not allowed for outgoing requests")

// closed lists what is not public of IPv4: IANA's registry of special-purpose addresses, multicast, and the
// one public address at which a cloud's machines find its metadata service.
var closed = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // behind carriers' address translation; a cloud has its metadata service there
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's platform service
	"169.254.0.0/16",   // link-local; most clouds have their metadata service there
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; a cloud has its metadata service there
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast
	"2001::/23",        // protocol assignments, Teredo among them
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4: holds an address of IPv4
	"3fff::/20",        // documentation
)

// global is what is routed of IPv6. Everything else of it is closed: loopback, unique local, link-local,
// multicast and what is not assigned yet.
var global = netip.MustParsePrefix("2000::/3")

// nat64 holds an address of IPv4 in its last four bytes, which is the one that is reached.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// reached returns the address that packets to a really go to, without a zone.
func reached(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// Public reports whether an address is one of the public Internet.
func Public(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = reached(a)
	if a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ParseAllow reads the networks and addresses that an operator allows: "10.1.0.0/16", "192.0.2.7", "fd00::/8".
func ParseAllow(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, addrErr := netip.ParseAddr(text)
			if addrErr != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%q is neither a network (10.1.0.0/16) nor an address", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is an address of IPv4 in a form of IPv6: write it as IPv4", text)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%q has bits beyond its network: write %s", text, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}
