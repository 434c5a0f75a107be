package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/fakeidp"
	"github.com/ostiary/ostiary/keyset"
)

// storyPatience bounds how long the application waits for a logout.
const storyPatience = 30 * time.Second

// storyParty is the application of the story, which is told of logouts.
type storyParty struct {
	keys   *keyset.Cache
	listen net.Listener
	server *http.Server
	told   chan toldLogout
	ended  chan error
}

// toldLogout is a logout token that came, and what was wrong with it.
type toldLogout struct {
	fakeidp.Logout
	err error
}

// newStoryParty listens, and is to be closed. It takes nothing until it knows whom to believe.
func newStoryParty() (*storyParty, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen as the application: %w", err)
	}
	return &storyParty{keys: keyset.NewCache(fakeidp.Getter(nil), keyset.Options{}), listen: listener, told: make(chan toldLogout, 100)}, nil
}

// believe takes logout tokens of an issuer from now on.
func (p *storyParty) believe(issuer string) {
	p.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &fakeidp.RelyingParty{
		Issuer: issuer, ClientID: storyClient, Keys: p.keys.URL(issuer + "/jwks.json"),
		Told: func(l fakeidp.Logout, err error) {
			select {
			case p.told <- toldLogout{l, err}:
			default: // nobody waits for so many
			}
		}}}
	p.ended = make(chan error, 1)
	go func() { p.ended <- p.server.Serve(p.listen) }()
}

func (p *storyParty) close() error {
	defer p.keys.Close()
	if p.server == nil {
		return p.listen.Close()
	}
	err := p.server.Close()
	<-p.ended // it says that the server was closed
	return err
}

// register says where the application is told that its sessions end. Base is the server's URL.
func (s *story) register(ctx context.Context, base string) error {
	s.party.believe(base + "/stores/" + s.store)
	_, err := ostiaryv1.NewOutboxServiceClient(s.c.conn).CreateApplication(ctx, &ostiaryv1.CreateApplicationRequest{StoreId: s.store,
		Application: &ostiaryv1.Application{ClientId: storyClient, Name: "Portal",
			BackchannelLogoutUri: "http://" + s.party.listen.Addr().String() + "/backchannel-logout", BackchannelLogoutSessionRequired: true}})
	if err != nil {
		return fmt.Errorf("register the application: %w", err)
	}
	return nil
}

// awaitLogout waits until the application was told that the newest session has ended.
func (s *story) awaitLogout(ctx context.Context) error {
	return s.step(whoPortal, "take the logout token of the session, judged by the server's keys", func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, storyPatience)
		defer cancel()
		for {
			select {
			case told := <-s.party.told:
				switch {
				case told.err != nil:
					return "", fmt.Errorf("a logout token was refused: %w", told.err)
				case told.SID == s.session && told.Subject == s.user:
					return "jti " + told.ID, nil
				}
			case <-ctx.Done():
				return "", errors.New("none came: may the server ask this machine (serve --egress-allow 127.0.0.0/8)? See 'ostiary outbox status'")
			}
		}
	})
}
