package api

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// PauseConnection lets a connection take nothing but deactivations.
func (i *identityService) PauseConnection(
	ctx context.Context, req *ostiaryv1.PauseConnectionRequest,
) (*ostiaryv1.PauseConnectionResponse, error) {
	c, err := i.server.identity.PauseConnection(carry(ctx), req.GetStoreId(), req.GetId(), req.GetReason())
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	return &ostiaryv1.PauseConnectionResponse{Connection: i.wireConnection(c)}, nil
}

func guardLimit(wire *ostiaryv1.GuardLimit) *identity.GuardLimit {
	if wire == nil {
		return nil
	}
	return &identity.GuardLimit{Off: wire.GetOff(), Minimum: int(wire.GetMinimum()), Percent: int(wire.GetPercent())}
}

func wireLimit(l identity.GuardLimit) *ostiaryv1.GuardLimit {
	return &ostiaryv1.GuardLimit{Off: l.Off, Minimum: uint32(l.Minimum), Percent: uint32(l.Percent)}
}

// UpdateConnection changes the name of a connection and its guard.
func (i *identityService) UpdateConnection(
	ctx context.Context, req *ostiaryv1.UpdateConnectionRequest,
) (*ostiaryv1.UpdateConnectionResponse, error) {
	c, err := i.server.identity.UpdateConnection(carry(ctx), req.GetStoreId(), req.GetId(), identity.ConnectionChange{
		Name: req.Name, Users: guardLimit(req.GetUsers()), Members: guardLimit(req.GetMembers()),
	})
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	return &ostiaryv1.UpdateConnectionResponse{Connection: i.wireConnection(c)}, nil
}

// GetGuard returns what the mass guard holds of a connection.
func (i *identityService) GetGuard(ctx context.Context, req *ostiaryv1.GetGuardRequest) (*ostiaryv1.GetGuardResponse, error) {
	c, err := i.server.identity.Connection(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	state, err := i.server.identity.Guarded(ctx, c)
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.GetGuardResponse{
		Users: wireLimit(state.Limits.Users), Members: wireLimit(state.Limits.Members),
		HeldUsers: uint64(state.HeldUsers), HeldGroups: state.HeldGroups,
	}
	if state.HeldNanos != 0 {
		resp.HeldSince = stamp(state.HeldNanos)
	}
	if state.ConfirmedNanos != 0 {
		resp.ConfirmedUntil = stamp(state.ConfirmedNanos)
	}
	return resp, nil
}

// ConfirmHeld lets what the mass guard holds pass, or dismisses it.
func (i *identityService) ConfirmHeld(ctx context.Context, req *ostiaryv1.ConfirmHeldRequest) (*ostiaryv1.ConfirmHeldResponse, error) {
	r, err := i.server.identity.ConfirmHeld(carry(ctx), req.GetStoreId(), req.GetId(), req.GetDismiss())
	return &ostiaryv1.ConfirmHeldResponse{}, done(ctx, r, err)
}

// defaultLogEntries is how many entries of a log are returned where nobody says how many.
const defaultLogEntries = 100

// ReadConnectionLog returns what a connection has asked for.
func (i *identityService) ReadConnectionLog(
	ctx context.Context, req *ostiaryv1.ReadConnectionLogRequest,
) (*ostiaryv1.ReadConnectionLogResponse, error) {
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultLogEntries
	}
	all, err := i.server.identity.ConnectionLog(ctx, req.GetStoreId(), req.GetId(), identity.LogQuery{After: req.GetAfter(), Limit: limit})
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ReadConnectionLogResponse{}
	for _, e := range all {
		resp.Entries = append(resp.Entries, wireLogEntry(e))
	}
	return resp, nil
}

func wireLogEntry(e identity.LogEntry) *ostiaryv1.ConnectionLogEntry {
	wire := &ostiaryv1.ConnectionLogEntry{
		Id: e.ID, Time: stamp(e.TimeNanos), Principal: e.Principal.String(), RequestId: e.RequestID, Action: e.Action, Resource: e.Resource,
		Method: e.Method, Path: e.Path, Attributes: e.Attributes, Revision: uint64(e.Revision), Status: int32(e.Status), Reason: e.Reason,
		More: uint64(e.More), Forgotten: e.Forgotten,
	}
	for _, c := range e.Changes {
		sign := "+"
		if c.Op == ostiary.ChangeDelete {
			sign = "-"
		}
		wire.Changes = append(wire.Changes, fmt.Sprintf("%s %s %s", sign, c.Tuple, c.Grant.Owner))
	}
	return wire
}

// DeleteConnection deletes a connection, or some of its people.
func (i *identityService) DeleteConnection(
	ctx context.Context, req *ostiaryv1.DeleteConnectionRequest,
) (*ostiaryv1.DeleteConnectionResponse, error) {
	left, err := i.server.identity.DeleteConnection(carry(ctx), req.GetStoreId(), req.GetId(), req.GetWithPeople())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.DeleteConnectionResponse{Done: left.Done, UsersLeft: uint64(left.Users), GroupsLeft: uint64(left.Groups)}, nil
}
