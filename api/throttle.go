package api

import (
	"context"

	"google.golang.org/grpc/codes"
)

// throttle refuses a request of a caller who asks more often than Limits.MaxRequestRate.
func (s *Server) throttle(ctx context.Context, c *call) error {
	if s.limits.MaxRequestRate < 0 {
		return nil
	}
	wait := s.requests.Take(callerName(ctx), 1, s.backend.Now())
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
