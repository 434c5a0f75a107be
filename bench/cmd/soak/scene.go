package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
	"github.com/ostiary/ostiary/fakeidp"
)

// people is how many an identity provider has provisioned.
const people = 40

// Of the store whose lists are long: how many objects somebody sees, and how long their ids are. A list of them is many
// times the window of a stream of gRPC, and quick to work out: slow readers are to be slow, and no more.
const (
	wideObjects = 4_000
	wideID      = 180
	wideWriters = 8
)

// scene is what the servers are filled with.
type scene struct {
	workload *workload.Workload
	stores   []bench.Store // of the workload, for checks and lists
	people   string        // the store with an organization
	wide     string        // the store with long lists
	scim     []*fakeidp.SCIM
	ids      []string // of the people
}

// prepare fills the servers.
func prepare(ctx context.Context, c *cluster) (*scene, error) {
	s := &scene{}
	first := c.nodes[0]
	var err error
	if s.workload, err = workload.New("org", workload.Options{Scale: workload.Mid, Seed: workload.DefaultSeed}); err != nil {
		return nil, err
	}
	began := time.Now()
	if s.stores, err = bench.Seed(ctx, c.target(first), s.workload, func(int) {}); err != nil {
		return nil, err
	}
	say("%d tuples written in %.1f s", s.workload.Total(), time.Since(began).Seconds())
	if err := s.hire(ctx, c, first); err != nil {
		return nil, err
	}
	return s, s.widen(ctx, c, first)
}

// hire makes an organization whose people an identity provider provisions.
func (s *scene) hire(ctx context.Context, c *cluster, n *node) error {
	folder := filepath.Join(c.dir, "model")
	if _, err := c.command(ctx, n, "org", "init", folder); err != nil {
		return err
	}
	app := filepath.Join(folder, "app.fga")
	text, err := os.ReadFile(app)
	if err != nil {
		return err
	}
	if err := os.WriteFile(app, append(text, "    define can_view: viewer and live from organization\n"...), 0o600); err != nil {
		return err
	}
	if s.people, err = c.command(ctx, n, "store", "create", "people"); err != nil {
		return err
	}
	in := "--store=" + s.people
	var connection struct{ ID, Secret string }
	for _, args := range [][]string{
		{"model", "write", filepath.Join(folder, "fga.mod"), in},
		{"org", "create", "Acme", "--id", "acme", in},
		{"tuple", "write", "document:1#organization@organization:acme", in},
		{"connection", "create", "acme", "--kind", "okta", "--guard-deletes", "off", "--guard-members", "off", in, "--output", "json"},
	} {
		out, err := c.command(ctx, n, args...)
		if err != nil {
			return err
		}
		if args[0] == "connection" {
			if err := json.Unmarshal([]byte(out), &connection); err != nil {
				return fmt.Errorf("read the answer of connection create: %w", err)
			}
		}
	}
	for _, n := range c.nodes {
		s.scim = append(s.scim, &fakeidp.SCIM{URL: "https://" + n.http + "/scim/v2/" + connection.ID, Token: connection.Secret})
	}
	caller := newCaller(c)
	defer caller.close()
	first := s.scim[0]
	first.Client = caller.client
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		id, _, err := first.Create(ctx, fakeidp.Person{UserName: name + "@acme.test", ExternalID: "00u" + name, GivenName: name})
		if err != nil {
			return err
		}
		s.ids = append(s.ids, id)
	}
	for _, id := range s.ids {
		if err := caller.write(ctx, n, s.people, "writes", tuple("user:"+id, "viewer", "document:1"), nil); err != nil {
			return err
		}
	}
	return nil
}
