package api

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
)

// outboxService answers ostiary.v1.OutboxService.
type outboxService struct {
	ostiaryv1.UnsafeOutboxServiceServer
	server *Server
}

// Bounds of one request about dead letters, and on the events that are counted.
const (
	maxLettersAtOnce = 1000
	maxEventsCounted = 10_000
)

// judgeTargets refuses URLs that could not be reached.
func (s *Server) judgeTargets(urls ...string) error {
	if s.judgeURL == nil {
		return nil
	}
	for _, url := range urls {
		if url == "" {
			continue
		}
		if err := s.judgeURL(url); err != nil {
			return refuse(codes.InvalidArgument, "%v", err)
		}
	}
	return nil
}

func wireApplication(a identity.Application) *ostiaryv1.Application {
	return &ostiaryv1.Application{
		ClientId: a.Client, Name: a.Name, BackchannelLogoutUri: a.LogoutURI, BackchannelLogoutSessionRequired: a.LogoutSessionRequired,
		RevocationEndpoint: a.RevocationURL, RevocationMethod: a.RevocationMethod, RevocationClientId: a.RevocationClient,
		HasSecret: a.HasSecret, CreatedAt: stamp(a.CreatedNanos),
	}
}

// application returns what a caller says of an application.
func (i *outboxService) application(store string, a *ostiaryv1.Application) (identity.Application, error) {
	return identity.Application{
		Store: store, Client: a.GetClientId(), Name: a.GetName(), LogoutURI: a.GetBackchannelLogoutUri(),
		LogoutSessionRequired: a.GetBackchannelLogoutSessionRequired(), RevocationURL: a.GetRevocationEndpoint(),
		RevocationMethod: a.GetRevocationMethod(), RevocationClient: a.GetRevocationClientId(),
	}, i.server.judgeTargets(a.GetBackchannelLogoutUri(), a.GetRevocationEndpoint())
}

// CreateApplication says where an application is told that its sessions end.
func (i *outboxService) CreateApplication(
	ctx context.Context, req *ostiaryv1.CreateApplicationRequest,
) (*ostiaryv1.CreateApplicationResponse, error) {
	a, err := i.application(req.GetStoreId(), req.GetApplication())
	if err != nil {
		return nil, err
	}
	a, err = i.server.identity.CreateApplication(carry(ctx), a, req.GetRevocationClientSecret())
	if err = done(ctx, ostiary.Receipt{Revision: a.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateApplicationResponse{Application: wireApplication(a)}, nil
}

// UpdateApplication replaces what is known of an application.
func (i *outboxService) UpdateApplication(
	ctx context.Context, req *ostiaryv1.UpdateApplicationRequest,
) (*ostiaryv1.UpdateApplicationResponse, error) {
	a, err := i.application(req.GetStoreId(), req.GetApplication())
	if err != nil {
		return nil, err
	}
	a, err = i.server.identity.UpdateApplication(carry(ctx), a, req.GetRevocationClientSecret())
	if err = done(ctx, ostiary.Receipt{Revision: a.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.UpdateApplicationResponse{Application: wireApplication(a)}, nil
}

// GetApplication returns an application.
func (i *outboxService) GetApplication(ctx context.Context, req *ostiaryv1.GetApplicationRequest) (*ostiaryv1.GetApplicationResponse, error) {
	a, err := i.server.identity.Application(ctx, req.GetStoreId(), req.GetClientId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetApplicationResponse{Application: wireApplication(a)}, nil
}

// ListApplications returns applications by client id.
func (i *outboxService) ListApplications(
	ctx context.Context, req *ostiaryv1.ListApplicationsRequest,
) (*ostiaryv1.ListApplicationsResponse, error) {
	page, next, err := identityPage(ctx, i.server, pageScope{kind: pageApplications, store: req.GetStoreId()},
		req.GetPageToken(), req.GetPageSize(), func(after string, limit int) ([]identity.Application, error) {
			return i.server.identity.Applications(ctx, req.GetStoreId(), after, limit)
		}, func(a identity.Application) string { return a.Client })
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListApplicationsResponse{NextPageToken: next}
	for _, a := range page {
		resp.Applications = append(resp.Applications, wireApplication(a))
	}
	return resp, nil
}

// DeleteApplication forgets an application.
func (i *outboxService) DeleteApplication(
	ctx context.Context, req *ostiaryv1.DeleteApplicationRequest,
) (*ostiaryv1.DeleteApplicationResponse, error) {
	r, err := i.server.identity.DeleteApplication(carry(ctx), req.GetStoreId(), req.GetClientId())
	return &ostiaryv1.DeleteApplicationResponse{}, done(ctx, r, err)
}

func wireWebhook(w identity.Webhook) *ostiaryv1.Webhook {
	return &ostiaryv1.Webhook{
		Id: w.ID, OrganizationId: w.Organization, Name: w.Name, Url: w.URL, Events: w.Events, Secrets: int32(w.Secrets),
		CreatedAt: stamp(w.CreatedNanos),
	}
}

// webhook returns what a caller says of a webhook.
func (i *outboxService) webhook(store string, w *ostiaryv1.Webhook) (identity.Webhook, error) {
	return identity.Webhook{
		Store: store, ID: w.GetId(), Organization: w.GetOrganizationId(), Name: w.GetName(), URL: w.GetUrl(), Events: w.GetEvents(),
	}, i.server.judgeTargets(w.GetUrl())
}

// CreateWebhook makes a webhook.
func (i *outboxService) CreateWebhook(ctx context.Context, req *ostiaryv1.CreateWebhookRequest) (*ostiaryv1.CreateWebhookResponse, error) {
	if req.GetWebhook().GetId() != "" {
		return nil, refuse(codes.InvalidArgument, "webhook.id is the server's to set: leave it out")
	}
	w, err := i.webhook(req.GetStoreId(), req.GetWebhook())
	if err != nil {
		return nil, err
	}
	w, secret, err := i.server.identity.CreateWebhook(carry(ctx), w)
	if err = done(ctx, ostiary.Receipt{Revision: w.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateWebhookResponse{Webhook: wireWebhook(w), Secret: secret}, nil
}

// UpdateWebhook replaces what is known of a webhook.
func (i *outboxService) UpdateWebhook(ctx context.Context, req *ostiaryv1.UpdateWebhookRequest) (*ostiaryv1.UpdateWebhookResponse, error) {
	w, err := i.webhook(req.GetStoreId(), req.GetWebhook())
	if err != nil {
		return nil, err
	}
	w, err = i.server.identity.UpdateWebhook(carry(ctx), w)
	if err = done(ctx, ostiary.Receipt{Revision: w.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.UpdateWebhookResponse{Webhook: wireWebhook(w)}, nil
}

// RotateWebhookSecret gives a webhook a second secret.
func (i *outboxService) RotateWebhookSecret(
	ctx context.Context, req *ostiaryv1.RotateWebhookSecretRequest,
) (*ostiaryv1.RotateWebhookSecretResponse, error) {
	secret, r, err := i.server.identity.RotateWebhookSecret(carry(ctx), req.GetStoreId(), req.GetId())
	if err = done(ctx, r, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.RotateWebhookSecretResponse{Secret: secret}, nil
}

// EndWebhookRotation takes the older one of two secrets away.
func (i *outboxService) EndWebhookRotation(
	ctx context.Context, req *ostiaryv1.EndWebhookRotationRequest,
) (*ostiaryv1.EndWebhookRotationResponse, error) {
	r, err := i.server.identity.EndWebhookRotation(carry(ctx), req.GetStoreId(), req.GetId())
	return &ostiaryv1.EndWebhookRotationResponse{}, done(ctx, r, err)
}

// GetWebhook returns a webhook.
func (i *outboxService) GetWebhook(ctx context.Context, req *ostiaryv1.GetWebhookRequest) (*ostiaryv1.GetWebhookResponse, error) {
	w, err := i.server.identity.Webhook(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetWebhookResponse{Webhook: wireWebhook(w)}, nil
}

// ListWebhooks returns the webhooks of a store.
func (i *outboxService) ListWebhooks(ctx context.Context, req *ostiaryv1.ListWebhooksRequest) (*ostiaryv1.ListWebhooksResponse, error) {
	all, err := i.server.identity.Webhooks(ctx, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListWebhooksResponse{}
	for _, w := range all {
		resp.Webhooks = append(resp.Webhooks, wireWebhook(w))
	}
	return resp, nil
}

// DeleteWebhook forgets a webhook.
func (i *outboxService) DeleteWebhook(ctx context.Context, req *ostiaryv1.DeleteWebhookRequest) (*ostiaryv1.DeleteWebhookResponse, error) {
	r, err := i.server.identity.DeleteWebhook(carry(ctx), req.GetStoreId(), req.GetId())
	return &ostiaryv1.DeleteWebhookResponse{}, done(ctx, r, err)
}

// GetOutbox returns how much waits.
func (i *outboxService) GetOutbox(ctx context.Context, req *ostiaryv1.GetOutboxRequest) (*ostiaryv1.GetOutboxResponse, error) {
	resp := &ostiaryv1.GetOutboxResponse{}
	err := i.server.identity.ReadStore(ctx, req.GetStoreId(), func(v identity.View) error {
		n, err := outbox.TotalsOf(ctx, v, req.GetStoreId(), maxEventsCounted)
		if err != nil {
			return err
		}
		resp.Events, resp.Deliveries, resp.DeadLetters = uint64(n.Events), uint64(n.Deliveries), uint64(n.Letters)
		resp.OldestAt = optionalStamp(n.OldestNanos)
		for _, q := range n.Queues {
			resp.Targets = append(resp.Targets, &ostiaryv1.OutboxTarget{
				Target: q.Target, Waiting: uint64(q.Waiting), OldestAt: optionalStamp(q.OldestNanos), Failures: uint64(q.Failures),
				FailingSince: optionalStamp(q.SinceNanos), NextAttemptAt: optionalStamp(q.NextNanos), Reason: q.Reason,
			})
		}
		return nil
	})
	return resp, err
}

// ListDeliveries returns what waits to be told.
func (i *outboxService) ListDeliveries(ctx context.Context, req *ostiaryv1.ListDeliveriesRequest) (*ostiaryv1.ListDeliveriesResponse, error) {
	all, next, err := i.letters(ctx, pageDeliveries, req.GetStoreId(), req.GetTarget(), req.GetPageToken(), req.GetPageSize(), outbox.Deliveries)
	return &ostiaryv1.ListDeliveriesResponse{Deliveries: all, NextPageToken: next}, err
}

// ListDeadLetters returns what was given up.
func (i *outboxService) ListDeadLetters(
	ctx context.Context, req *ostiaryv1.ListDeadLettersRequest,
) (*ostiaryv1.ListDeadLettersResponse, error) {
	all, next, err := i.letters(ctx, pageLetters, req.GetStoreId(), req.GetTarget(), req.GetPageToken(), req.GetPageSize(), outbox.Letters)
	return &ostiaryv1.ListDeadLettersResponse{DeadLetters: all, NextPageToken: next}, err
}

// letters returns a page of deliveries or dead letters.
func (i *outboxService) letters(
	ctx context.Context, kind pageKind, store, target, token string, size int32,
	list func(v identity.View, store string, f outbox.Filter, after string, limit int) ([]outbox.Letter, error),
) (all []*ostiaryv1.Delivery, next string, err error) {
	page, next, err := identityPage(ctx, i.server, pageScope{kind: kind, store: store, filter: target}, token, size,
		func(after string, limit int) (page []outbox.Letter, err error) {
			err = i.server.identity.ReadStore(ctx, store, func(v identity.View) error {
				page, err = list(v, store, outbox.Filter{Target: target}, after, limit)
				return err
			})
			return page, err
		}, func(l outbox.Letter) string { return l.Place() })
	for _, l := range page {
		all = append(all, &ostiaryv1.Delivery{
			Id: l.ID, Target: l.Target(), EventId: l.Event, OrganizationId: l.Organization, UserId: l.User, SessionId: l.Session,
			HappenedAt: stamp(l.TimeNanos), QueuedAt: stamp(l.QueuedNanos), DiedAt: optionalStamp(l.DiedNanos), Reason: l.Reason,
		})
	}
	return all, next, err
}

// RetryDeadLetters puts dead letters back into their queues.
func (i *outboxService) RetryDeadLetters(
	ctx context.Context, req *ostiaryv1.RetryDeadLettersRequest,
) (*ostiaryv1.RetryDeadLettersResponse, error) {
	f := outbox.Filter{Target: req.GetTarget(), IDs: req.GetIds()}
	n, r, err := outbox.Retry(carry(ctx), i.server.identity, req.GetStoreId(), f, maxLettersAtOnce)
	return &ostiaryv1.RetryDeadLettersResponse{Retried: uint64(n)}, done(ctx, r, err)
}

// DropDeadLetters forgets dead letters.
func (i *outboxService) DropDeadLetters(
	ctx context.Context, req *ostiaryv1.DropDeadLettersRequest,
) (*ostiaryv1.DropDeadLettersResponse, error) {
	f := outbox.Filter{Target: req.GetTarget(), IDs: req.GetIds()}
	n, r, err := outbox.Drop(carry(ctx), i.server.identity, req.GetStoreId(), f, maxLettersAtOnce)
	return &ostiaryv1.DropDeadLettersResponse{Dropped: uint64(n)}, done(ctx, r, err)
}
