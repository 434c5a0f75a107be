package egress_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/ostiary/ostiary/egress"
)

// What can be told of a URL before its host is looked up is told.
func TestJudgeURL(t *testing.T) {
	public := egress.New(egress.Options{})
	t.Cleanup(public.Close)
	inside := egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}})
	t.Cleanup(inside.Close)
	for _, test := range []struct {
		url            string
		public, inside error
	}{
		{"https://hooks.example.com/x?y=z", nil, nil},
		{"http://hooks.example.com/x", egress.ErrRefused, nil}, // it is judged when it is dialled
		{"https://10.1.2.3/x", egress.ErrRefused, nil},
		{"http://10.1.2.3:8080/x", egress.ErrRefused, nil},
		{"https://10.2.2.3/x", egress.ErrRefused, egress.ErrRefused},
		{"https://[fd00::1]/x", egress.ErrRefused, nil},
		{"https://[::ffff:169.254.169.254]/x", egress.ErrRefused, egress.ErrRefused},
		{"https://127.0.0.1/x", egress.ErrRefused, egress.ErrRefused},
		{"https://9.9.9.9/x", nil, nil},
		{"http://9.9.9.9/x", egress.ErrRefused, egress.ErrRefused},
		{"ftp://hooks.example.com/x", egress.ErrURL, egress.ErrURL},
		{"https://user@hooks.example.com/x", egress.ErrURL, egress.ErrURL},
		{"https://hooks.example.com/x#y", egress.ErrURL, egress.ErrURL},
		{"https:///x", egress.ErrURL, egress.ErrURL},
	} {
		if err := public.JudgeURL(test.url); !errors.Is(err, test.public) || err != nil && test.public == nil {
			t.Errorf("%s, nothing allowed: %v, want %v", test.url, err, test.public)
		}
		if err := inside.JudgeURL(test.url); !errors.Is(err, test.inside) || err != nil && test.inside == nil {
			t.Errorf("%s, with networks allowed: %v, want %v", test.url, err, test.inside)
		}
	}
}
