package api

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
)

// throttle refuses a request of a caller who asks more often than Limits.MaxRequestRate. Callers without a name are
// told apart by their address, as connections are.
func (s *Server) throttle(ctx context.Context, c *call) error {
	if s.limits.MaxRequestRate < 0 {
		return nil
	}
	p, _ := ostiary.PrincipalOf(ctx)
	name := p.String()
	if p.Name == "" {
		name += " " + networkOf(textAddress(originOf(ctx))).String()
	}
	wait := s.requests.Take(name, 1, s.backend.Now())
	if wait == 0 {
		return nil
	}
	s.tooOften.Add(1)
	c.retryAfter = wait
	return refuse(codes.ResourceExhausted, "more than %d requests a second of one caller (--max-request-rate): wait", s.limits.MaxRequestRate)
}

// textAddress is an address of the network that is kept as text.
type textAddress string

func (textAddress) Network() string  { return "tcp" }
func (a textAddress) String() string { return string(a) }
