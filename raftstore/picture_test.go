package raftstore

import (
	"errors"
	"testing"
)

// TestPicture: each node of a cluster knows the others and what they lack.
func TestPicture(t *testing.T) {
	c := newCluster(t)
	c.add(nil)
	c.add(func(o *Options) { o.Learner = true })
	for i, n := range c.nodes {
		until(t, "see the other node", func() error {
			p, err := n.Picture()
			switch {
			case err != nil:
				return err
			case len(p.Peers) != 1 || p.Peers[0].Heard == nil || p.Peers[0].LastIndex == 0:
				return errors.New("it is not known")
			case p.Peers[0].ID == p.ID || p.Peers[0].ID != string(c.nodes[1-i].id):
				t.Fatalf("the other is %+v", p.Peers[0])
			case p.ApplyIndex == 0 || p.CommitIndex == 0 || p.Role != []string{"leader", "learner"}[i]:
				return errors.New("it stands elsewhere")
			case i == 1 && (p.LeaderContact == nil || p.CaughtUp == nil), i == 0 && p.LeaderContact != nil:
				return errors.New("the leader was heard otherwise")
			}
			return nil
		})
	}
}
