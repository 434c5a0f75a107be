package main

import (
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/raftstore"
)

// clusterFlags are what 'serve' can be told of its cluster.
type clusterFlags struct {
	addr, advertise string
	join            []string
	expect          int
	learner         bool
	maxStaleness    time.Duration
	imageRate       byteSize
	diskTimeout     time.Duration
	deadAfter       time.Duration
	minVoters       int
	maxClockDrift   time.Duration
	security        securityFlags
}

// maxExpect bounds --expect: with more voters every write only waits longer.
const maxExpect = 9

// minStaleness bounds --max-staleness from below: shorter, every election would refuse reads.
const minStaleness = 2 * time.Second

// minImageRate bounds --image-rate from below: raft gives an image 10 seconds for each 256 KiB.
const minImageRate = 1 << 20

// minDeadAfter bounds --cleanup-dead-servers from below: whoever is removed must be started anew.
const minDeadAfter = 5 * time.Minute

func (c *clusterFlags) register(f *pflag.FlagSet) {
	f.StringVar(&c.addr, "cluster-addr", "", "address for other nodes of a cluster (default: none, a cluster of one)")
	f.StringVar(&c.advertise, "advertise", "", "address at which other nodes reach --cluster-addr (default: the same)")
	f.StringSliceVar(&c.join, "join", nil, "cluster addresses of nodes to join, with commas between; counts while the data folder is new")
	f.IntVar(&c.expect, "expect", 0, "how many new nodes begin a cluster together, each naming the others in --join (0: join one that exists)")
	f.BoolVar(&c.learner, "learner", false, "follow without a vote: a read replica")
	f.DurationVar(&c.maxStaleness, "max-staleness", 0, "refuse default reads when this node has not caught up with a leader for so long (0: answer from what it has)")
	f.Var(&c.imageRate, "image-rate", "bytes a second at which an image goes to a node that is new or too far behind, as 50MiB (0: no bound)")
	f.DurationVar(&c.diskTimeout, "disk-timeout", 10*time.Second, "end when a write to the log takes so long, so that another node of the cluster leads (0: wait for ever)")
	f.DurationVar(&c.deadAfter, "cleanup-dead-servers", 0, "while this node leads, remove members that have not answered for so long, as 24h (0: never)")
	f.IntVar(&c.minVoters, "min-voters", 3, "how many voters --cleanup-dead-servers leaves at least (0: 3)")
	f.DurationVar(&c.maxClockDrift, "max-clock-drift", 5*time.Second, "how far the clock may differ from those of most voters of the cluster (0: nobody looks)")
	fromEnv(f, "cluster-addr", "advertise", "join", "expect", "learner", "max-staleness", "image-rate", "disk-timeout", "max-clock-drift",
		"cleanup-dead-servers", "min-voters")
	between(f, "expect", 0, maxExpect)
	for _, name := range []string{"max-staleness", "disk-timeout", "max-clock-drift"} {
		between(f, name, time.Duration(0), maxDurationLimit)
	}
	between(f, "cleanup-dead-servers", time.Duration(0), maxRetention)
	between(f, "min-voters", 0, maxExpect)
	c.security.register(f)
}

// judgeAlone refuses settings that say nothing about a cluster of one. They may come from a variable that
// was meant for another command.
func (c clusterFlags) judgeAlone() error {
	for _, given := range []struct {
		flag string
		set  bool
	}{
		{"--advertise", c.advertise != ""}, {"--join", len(c.join) > 0}, {"--expect", c.expect != 0}, {"--learner", c.learner},
		{"--max-staleness", c.maxStaleness != 0}, {"--image-rate", c.imageRate != 0},
		{"--cluster-cert", c.security.cert != ""}, {"--cluster-key", c.security.key != ""}, {"--cluster-ca", c.security.ca != ""},
	} {
		if given.set {
			return usagef("%s (or its variable) is set and needs --cluster-addr: name an address for other nodes, or unset it", given.flag)
		}
	}
	return nil
}

// judge returns what raftstore is to be told. With --dev and without certificates the cluster speaks
// plain text, on loopback addresses alone.
func (c clusterFlags) judge(dev bool) (raftstore.Options, error) {
	none := raftstore.Options{}
	if c.addr == "" {
		return none, c.judgeAlone()
	}
	for flag, address := range map[string]string{"--cluster-addr": c.addr, "--advertise": c.advertise} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return none, usagef("%s %q is not host:port", flag, address)
		}
	}
	for _, address := range c.join {
		if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
			return none, usagef("--join %q is not host:port", address)
		}
	}
	if c.maxStaleness < 0 || c.maxStaleness > 0 && c.maxStaleness < minStaleness {
		return none, usagef("--max-staleness %s is neither 0 nor at least %s: it must outlast an election", c.maxStaleness, minStaleness)
	}
	if c.imageRate != 0 && c.imageRate < minImageRate {
		return none, usagef("--image-rate %s is neither 0 nor at least 1MiB: nodes would give up", &c.imageRate)
	}
	if c.deadAfter != 0 && c.deadAfter < minDeadAfter {
		return none, usagef("--cleanup-dead-servers %s is neither 0 nor at least %s: a node that restarts is not dead", c.deadAfter, minDeadAfter)
	}
	plain := dev && !c.security.given()
	if plain {
		if err := loopbackOnly("--cluster-addr", c.addr); err != nil {
			return none, err
		}
	}
	return raftstore.Options{
		Addr: c.addr, Advertise: c.advertise, Join: c.join, Expect: c.expect, Learner: c.learner, MaxStaleness: c.maxStaleness, ImageRate: int64(c.imageRate),
		DeadAfter: c.deadAfter, MinVoters: c.minVoters,
		DiskTimeout: keptForEverIfZero(c.diskTimeout), MaxClockDrift: keptForEverIfZero(c.maxClockDrift),
		Security: c.security.security(plain),
	}, nil
}
