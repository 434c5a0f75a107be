package oauth

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/ostiary/ostiary/rate"
)

// hosts bounds how often something is done for where requests come from.
type hosts struct {
	hosts *rate.Limit
	// sites are networks of IPv6 of which one can be a single customer's, with 65,536 networks of hosts.
	sites *rate.Limit
}

// hostsOfSite is how many times what one host may is taken of its site.
const hostsOfSite = 5

func newHosts(perSecond float64) hosts {
	return hosts{rate.New(perSecond), rate.New(hostsOfSite * perSecond)}
}

// take counts a request, and reports whether it passes.
func (h hosts) take(r *http.Request, nowNanos int64) bool {
	host, site := hostOf(r)
	return (site == "" || h.sites.Take(site, 1, nowNanos) == 0) && h.hosts.Take(host, 1, nowNanos) == 0
}

// hostOf names where a request comes from: an address of IPv4, or the network (/64) of one of IPv6, of which one
// host has many, with the site (/48) that it is of.
func hostOf(r *http.Request) (host, site string) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, ""
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host, ""
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String(), ""
	}
	return netip.PrefixFrom(a, 64).Masked().String(), netip.PrefixFrom(a, 48).Masked().String()
}
