package api

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func wireDomain(d identity.Domain) *ostiaryv1.Domain {
	wire := &ostiaryv1.Domain{
		Name: d.Name, RecordName: d.RecordName, RecordText: d.RecordText, AddedAt: stamp(d.AddedNanos), VerifiedBy: d.VerifiedBy,
		Confirmed: d.Confirmed,
	}
	if d.VerifiedNanos != 0 {
		wire.VerifiedAt = stamp(d.VerifiedNanos)
	}
	return wire
}

// AddDomain notes that an organization says a mail domain is its own.
func (i *identityService) AddDomain(ctx context.Context, req *ostiaryv1.AddDomainRequest) (*ostiaryv1.AddDomainResponse, error) {
	d, r, err := i.server.identity.AddDomain(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetName())
	if err = done(ctx, r, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.AddDomainResponse{Domain: wireDomain(d)}, nil
}

// VerifyDomain makes a domain count as the organization's.
func (i *identityService) VerifyDomain(ctx context.Context, req *ostiaryv1.VerifyDomainRequest) (*ostiaryv1.VerifyDomainResponse, error) {
	d, r, err := i.server.identity.VerifyDomain(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetName(), req.GetConfirm())
	if errors.Is(err, identity.ErrUnproven) {
		return nil, refuse(codes.FailedPrecondition, "%v", err)
	}
	if err = done(ctx, r, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.VerifyDomainResponse{Domain: wireDomain(d)}, nil
}

// ListDomains returns the domains of an organization.
func (i *identityService) ListDomains(ctx context.Context, req *ostiaryv1.ListDomainsRequest) (*ostiaryv1.ListDomainsResponse, error) {
	all, err := i.server.identity.Domains(ctx, req.GetStoreId(), req.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListDomainsResponse{}
	for _, d := range all {
		resp.Domains = append(resp.Domains, wireDomain(d))
	}
	return resp, nil
}

// RemoveDomain takes a domain away from an organization.
func (i *identityService) RemoveDomain(ctx context.Context, req *ostiaryv1.RemoveDomainRequest) (*ostiaryv1.RemoveDomainResponse, error) {
	r, err := i.server.identity.RemoveDomain(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetName())
	return &ostiaryv1.RemoveDomainResponse{}, done(ctx, r, err)
}

// wireGate is nil for a gate that is on.
func wireGate(g identity.GateSwitch) *ostiaryv1.GateOff {
	if !g.Off {
		return nil
	}
	return &ostiaryv1.GateOff{Since: stamp(g.SinceNanos), By: g.By, Reason: g.Reason}
}

// GetGate returns whether the gate of a store is off.
func (i *identityService) GetGate(ctx context.Context, req *ostiaryv1.GetGateRequest) (*ostiaryv1.GetGateResponse, error) {
	g, err := i.server.identity.GateSwitch(ctx, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetGateResponse{Off: wireGate(g)}, nil
}

// TurnGateOff turns the gate of a store off.
func (i *identityService) TurnGateOff(ctx context.Context, req *ostiaryv1.TurnGateOffRequest) (*ostiaryv1.TurnGateOffResponse, error) {
	g, r, err := i.server.identity.TurnGateOff(carry(ctx), req.GetStoreId(), req.GetReason())
	if err = done(ctx, r, err); err != nil {
		return nil, err
	}
	i.server.warnOfGate(req.GetStoreId(), g)
	return &ostiaryv1.TurnGateOffResponse{Off: wireGate(g)}, nil
}

// TurnGateOn turns the gate of a store on.
func (i *identityService) TurnGateOn(ctx context.Context, req *ostiaryv1.TurnGateOnRequest) (*ostiaryv1.TurnGateOnResponse, error) {
	_, r, err := i.server.identity.TurnGateOn(carry(ctx), req.GetStoreId())
	if err = done(ctx, r, err); err != nil {
		return nil, err
	}
	i.server.logger.Warn("the gate of a store is on again", "store", req.GetStoreId(), "by", principalOf(ctx))
	return &ostiaryv1.TurnGateOnResponse{}, nil
}

// principalOf names who asks.
func principalOf(ctx context.Context) string {
	p, _ := ostiary.PrincipalOf(ctx)
	return p.String()
}

func (s *Server) warnOfGate(store string, g identity.GateSwitch) {
	s.logger.Warn("the gate of a store is off: people whom identity providers have disabled pass where applications let them",
		"store", store, "by", g.By, "reason", g.Reason)
}

// WarnOfGates writes a line to the log for each store whose gate is off.
func (s *Server) WarnOfGates(ctx context.Context) {
	all, err := s.identity.GatesOff(ctx)
	if err != nil {
		s.logger.Error("stores whose gate is off not found", "error", err)
	}
	for store, g := range all {
		s.warnOfGate(store, g)
	}
}
