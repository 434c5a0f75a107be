package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// fault is something that happens to the cluster in one round. It returns when it is over and the nodes
// may recover; note says to whom it happened.
type fault struct {
	name   string
	inject func(ctx context.Context, c *cluster, l *load, random *rand.Rand) (note string, err error)
}

func faultsOf(s *site) []fault {
	faults := []fault{{"kill-leader", killLeader}, {"kill", kill}, {"kill-all", killAll}, {"stop", stop}}
	if s.net {
		faults = append(faults, fault{"partition", partition}, fault{"one-way", oneWay})
	}
	if s.delay {
		faults = append(faults, fault{"slow", slow})
	}
	if s.disks {
		faults = append(faults, fault{"disk-full", diskFull})
	}
	return faults
}

func names(faults []fault) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

func named(faults []fault, name string) []fault {
	for _, f := range faults {
		if f.name == name {
			return []fault{f}
		}
	}
	return nil
}

// while returns a time between half a second and three.
func while(random *rand.Rand) time.Duration {
	return 500*time.Millisecond + time.Duration(random.IntN(2500))*time.Millisecond
}

// killLeader measures how long nobody could write.
func killLeader(ctx context.Context, c *cluster, l *load, random *rand.Rand) (string, error) {
	n, err := c.leader(ctx)
	if err != nil {
		return "", err
	}
	at := time.Now()
	if err := n.kill(); err != nil {
		return "", err
	}
	without, err := l.firstAck(ctx, at)
	if err != nil {
		return "", err
	}
	l.leaderless(without)
	pause(ctx, while(random))
	return fmt.Sprintf("node %d, %d ms until a write was acknowledged", n.number, without.Milliseconds()), c.start(n)
}

func kill(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	n := c.nodes[random.IntN(nodes)]
	if err := n.kill(); err != nil {
		return "", err
	}
	pause(ctx, while(random))
	return fmt.Sprintf("node %d", n.number), c.start(n)
}

// killAll ends all nodes within a moment.
func killAll(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	for _, n := range c.nodes {
		pause(ctx, time.Duration(random.IntN(20))*time.Millisecond)
		if err := n.kill(); err != nil {
			return "", err
		}
	}
	for _, n := range c.nodes {
		if err := c.start(n); err != nil {
			return "", err
		}
	}
	return "all nodes", nil
}

// stop freezes a node, the leader as often as not, and lets it go on where it was.
func stop(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	n, err := c.leaderOrAny(ctx, random)
	if err != nil {
		return "", err
	}
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return "", err
	}
	pause(ctx, while(random))
	return fmt.Sprintf("node %d", n.number), n.signal(syscall.SIGCONT)
}

func (c *cluster) leaderOrAny(ctx context.Context, random *rand.Rand) (*node, error) {
	if random.IntN(2) == 0 {
		return c.nodes[random.IntN(nodes)], nil
	}
	return c.leader(ctx)
}

// partition cuts a node off from both others. Clients still reach it.
func partition(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	n, err := c.leaderOrAny(ctx, random)
	if err != nil {
		return "", err
	}
	var cut [][2]int
	for _, other := range c.nodes {
		if other != n {
			cut = append(cut, [2]int{n.number, other.number}, [2]int{other.number, n.number})
		}
	}
	return fmt.Sprintf("node %d", n.number), c.cut(ctx, random, cut)
}

// oneWay drops what one node sends to another.
func oneWay(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	n, err := c.leaderOrAny(ctx, random)
	if err != nil {
		return "", err
	}
	to := (n.number + 1 + random.IntN(nodes-1)) % nodes
	return fmt.Sprintf("node %d to %d", n.number, to), c.cut(ctx, random, [][2]int{{n.number, to}})
}

// cut drops what is sent from the first of each pair to the second, for a while.
func (c *cluster) cut(ctx context.Context, random *rand.Rand, pairs [][2]int) error {
	var errs []error
	for _, pair := range pairs {
		errs = append(errs, c.site.block(pair[0], pair[1]))
	}
	pause(ctx, while(random))
	for _, pair := range pairs {
		errs = append(errs, c.site.unblock(pair[0], pair[1]))
	}
	return errors.Join(errs...)
}

// slow delays what a node sends and loses some of it.
func slow(ctx context.Context, c *cluster, _ *load, random *rand.Rand) (string, error) {
	n, err := c.leaderOrAny(ctx, random)
	if err != nil {
		return "", err
	}
	delay, loss := fmt.Sprintf("%dms", 1+random.IntN(60)), random.IntN(20)
	if err := c.site.slow(n.number, delay, loss); err != nil {
		return "", err
	}
	pause(ctx, while(random))
	return fmt.Sprintf("node %d by %s, %d %% lost", n.number, delay, loss), c.site.hasten(n.number)
}

// diskFull leaves the leader less space than its reserve. A grant must be refused and a revocation must
// be taken.
func diskFull(ctx context.Context, c *cluster, l *load, random *rand.Rand) (string, error) {
	n, err := c.leader(ctx)
	if err != nil {
		return "", err
	}
	object := fmt.Sprintf("doc:full-%d", random.Uint64())
	if status, err := l.write(ctx, n, "writes", object); err != nil || status != http.StatusOK {
		return "", fmt.Errorf("a grant before the disk is full answers %d: %w", status, err)
	}
	if err := c.site.fill(n.number); err != nil {
		return "", err
	}
	defer func() { _ = c.site.empty(n.number) }()
	pause(ctx, time.Second) // the server looks at the space a few times a second
	note := fmt.Sprintf("node %d", n.number)
	if now, err := c.leader(ctx); err != nil || now != n {
		return note + ", which lost its leadership meanwhile", err
	}
	status, err := l.write(ctx, n, "writes", object+"-more")
	if err != nil || status != http.StatusServiceUnavailable {
		return "", fmt.Errorf("a grant on a full disk answers %d, not 503: %w", status, err)
	}
	status, err = l.write(ctx, n, "deletes", object)
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("a revocation on a full disk answers %d: %w", status, err)
	}
	return note, nil
}

func (l *load) write(ctx context.Context, n *node, kind, object string) (int, error) {
	status, _, _, err := l.c.call(ctx, n, http.MethodPost, l.store+"/write", nil,
		map[string]any{kind: map[string]any{"tuple_keys": []any{tuple(object)}}})
	return status, err
}
