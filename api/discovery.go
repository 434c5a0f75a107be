package api

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// Discover returns where the people of a mail domain belong.
func (i *identityService) Discover(ctx context.Context, req *ostiaryv1.DiscoverRequest) (*ostiaryv1.DiscoverResponse, error) {
	s := i.server
	if wait := s.discoveries.Take(principalOf(ctx), 1, s.backend.Now()); wait > 0 {
		callOf(ctx).retryAfter = wait
		return nil, refuse(codes.ResourceExhausted, "more than %d discoveries a second: wait", s.limits.MaxDiscoveries)
	}
	found, err := s.identity.Discover(ctx, req.GetStoreId(), req.GetEmail())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.DiscoverResponse{
		StoreId: found.Organization.Store, OrganizationId: found.Organization.ID, OrganizationName: found.Organization.Name,
	}
	for _, c := range found.Connections {
		resp.Connections = append(resp.Connections, &ostiaryv1.DiscoveredConnection{Id: c.ID, Kind: c.Kind, Name: c.Name})
	}
	return resp, nil
}

// secondsOf is a time to wait as the header Retry-After has it.
func secondsOf(wait time.Duration) string {
	return fmt.Sprint(max(1, int(math.Ceil(wait.Seconds()))))
}
