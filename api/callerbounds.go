package api

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
)

// callerName tells callers apart: by their names, and those without by their addresses, as connections are.
func callerName(ctx context.Context) string {
	p, _ := ostiary.PrincipalOf(ctx)
	if p.Name != "" {
		return p.String()
	}
	return p.String() + " " + networkOf(textAddress(originOf(ctx))).String()
}

// callerPlaces are places for what callers ask for.
type callerPlaces struct {
	*places[string]
	what    string // in the plural
	setting string // that says how many one caller may have; empty: none does
}

// enter takes a place for the caller of a request, who leaves it when the request ends.
func (p callerPlaces) enter(ctx context.Context) (leave func(), err error) {
	name := callerName(ctx)
	switch p.take(name) {
	case takenEach:
		most := "as many as one may have"
		if p.setting != "" {
			most += ": " + p.setting
		}
		return nil, refuse(codes.ResourceExhausted, "%d %s of this caller are under way (%s): end one, or wait until one ends", p.each, p.what, most)
	case takenAll:
		return nil, refuse(codes.ResourceExhausted, "%d %s are under way, of all callers: try again later", p.all, p.what)
	}
	return func() { p.give(name) }, nil
}

func (p callerPlaces) inUse() uint64 {
	open, _, _ := p.counts()
	return open
}

func (p callerPlaces) refused() uint64 {
	_, all, each := p.counts()
	return all + each
}

const (
	// maxTails is how many streams of TailAudit there are at once, maxTailsPerCaller how many of them one caller has.
	maxTails          = 16
	maxTailsPerCaller = 4
)

// stream runs the handler of a stream, for a caller who has not as many open as one may have. Health watches have a
// bound of their own: who asks need not be known.
func (s *Server) stream(ctx context.Context, method string, run func() error) error {
	if isHealth(method) {
		return run()
	}
	leave, err := s.streams.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return run()
}
