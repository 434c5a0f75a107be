package api

import (
	"context"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/ssf/transmitter"
)

// streamService answers ostiary.v1.StreamService.
type streamService struct {
	ostiaryv1.UnsafeStreamServiceServer
	server *Server
}

func wireStreamReceiver(r identity.StreamReceiver) *ostiaryv1.StreamReceiver {
	return &ostiaryv1.StreamReceiver{
		Id: r.ID, Name: r.Name, OrganizationId: r.Organization, Audience: r.Audience, CreatedAt: stamp(r.CreatedNanos)}
}

func wireStream(t identity.Stream) *ostiaryv1.Stream {
	wire := &ostiaryv1.Stream{
		Id: t.ID, ReceiverId: t.Receiver, Delivery: "poll", Status: string(t.Status), Reason: t.Reason,
		Algorithm: string(t.Algorithm), Description: t.Description, CreatedAt: stamp(t.CreatedNanos),
	}
	if t.Push {
		wire.Delivery, wire.EndpointUrl = "push", t.Endpoint
	}
	return wire
}

// CreateStreamReceiver makes a receiver with its first client.
func (i *streamService) CreateStreamReceiver(
	ctx context.Context, req *ostiaryv1.CreateStreamReceiverRequest,
) (*ostiaryv1.CreateStreamReceiverResponse, error) {
	store, asked := req.GetStoreId(), req.GetReceiver()
	iss := i.server.issuerOf(store)
	switch {
	case iss == "":
		return nil, refuse(codes.FailedPrecondition, "this server does not know its own URL, by which what it signs names it: start it with --public-url")
	case asked.GetId() != "" || asked.GetCreatedAt() != nil:
		return nil, refuse(codes.InvalidArgument, "id and created_at of a receiver are the server's to set: leave them empty")
	}
	ctx = carry(ctx)
	r, err := i.server.identity.CreateStreamReceiver(ctx, identity.StreamReceiver{
		Store: store, Name: asked.GetName(), Organization: asked.GetOrganizationId(), Audience: asked.GetAudience()})
	if err != nil {
		return nil, err
	}
	c, secret, err := i.server.identity.CreateClient(ctx, store, r.ID, identity.Client{Name: "first", Method: identity.ClientSecret})
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	base := iss[:len(iss)-len("/stores/"+store)]
	return &ostiaryv1.CreateStreamReceiverResponse{
		Receiver: wireStreamReceiver(r), ClientId: c.ID, ClientSecret: secret,
		MetadataUrl: base + transmitter.MetadataPrefix + store, TokenUrl: base + "/oauth/token",
	}, nil
}

// ListStreamReceivers returns the receivers of a store.
func (i *streamService) ListStreamReceivers(
	ctx context.Context, req *ostiaryv1.ListStreamReceiversRequest,
) (*ostiaryv1.ListStreamReceiversResponse, error) {
	all, err := i.server.identity.StreamReceivers(ctx, req.GetStoreId())
	resp := &ostiaryv1.ListStreamReceiversResponse{}
	for _, r := range all {
		resp.Receivers = append(resp.Receivers, wireStreamReceiver(r))
	}
	return resp, err
}

// DeleteStreamReceiver ends a receiver with its clients and streams.
func (i *streamService) DeleteStreamReceiver(
	ctx context.Context, req *ostiaryv1.DeleteStreamReceiverRequest,
) (*ostiaryv1.DeleteStreamReceiverResponse, error) {
	receipt, err := i.server.identity.DeleteStreamReceiver(carry(ctx), req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(receipt.Revision)
	return &ostiaryv1.DeleteStreamReceiverResponse{}, nil
}

// ListStreams returns the streams of a store.
func (i *streamService) ListStreams(ctx context.Context, req *ostiaryv1.ListStreamsRequest) (*ostiaryv1.ListStreamsResponse, error) {
	all, err := i.server.identity.Streams(ctx, req.GetStoreId())
	resp := &ostiaryv1.ListStreamsResponse{}
	for _, t := range all {
		resp.Streams = append(resp.Streams, wireStream(t))
	}
	return resp, err
}

// SetStreamStatus says whether a stream delivers.
func (i *streamService) SetStreamStatus(ctx context.Context, req *ostiaryv1.SetStreamStatusRequest) (*ostiaryv1.SetStreamStatusResponse, error) {
	t, err := transmitter.SetStatus(carry(ctx), i.server.identity, req.GetStoreId(), req.GetId(), identity.StreamStatus(req.GetStatus()), req.GetReason())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.SetStreamStatusResponse{Stream: wireStream(t)}, nil
}
