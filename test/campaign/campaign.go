//go:build linux

package campaign

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

const (
	nodeCount   = 5
	memberCount = 3
	resources   = 50 // that are there all the time
)

// settings say what a campaign is to be.
type settings struct {
	program string // drm, as build returned it
	dir     string // for logs
	seed    uint64
	lasts   time.Duration // hands are dealt for this long; 0: one deck
	only    []string      // the faults to make, each once, in one hand; none: all
}

// campaign is a cluster, all that surrounds it, and what was seen of it. Its methods are for the test's goroutine.
type campaign struct {
	settings
	*judge
	t   testing.TB
	ctx context.Context

	network *network // nil where there is none
	disks   *disks   // nil where they can't be slowed down
	etcd    *etcdtest.Cluster
	ids     []uint64           // of the members
	clients []*clientv3.Client // one for each member
	ill     map[int]bool       // members that don't answer
	rec     *recorder.Server
	fleet   *fleet.Fleet
	nodes   [nodeCount]*fleet.Node // as they run now
	clocks  []clock
	watch   *claimWatch

	hidden map[string]bool         // nodes that are frozen or cut off
	cuts   map[string][]freeze     // when nodes were
	own    map[string][]*operation // what the campaign itself did to claims
	since  map[string]time.Time    // when each resource that isn't held as it should be last was
	looked time.Time               // when that was last looked at
	sizes  sizes
	report report
	began  time.Time
}

// start brings everything up, with all resources held.
func start(t testing.TB, s settings) *campaign {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := &campaign{
		settings: s, judge: newJudge(), t: t, ctx: ctx, ill: map[int]bool{}, hidden: map[string]bool{}, cuts: map[string][]freeze{},
		own: map[string][]*operation{}, since: map[string]time.Time{}, report: report{}, began: time.Now(),
	}
	ip := c.wire()
	c.startEtcd(ip)
	var err error
	c.rec, err = recorder.Start(ip)
	c.must(err)
	t.Cleanup(c.rec.Close)
	if c.network != nil {
		c.rec.Ask(c.reachable)
	}
	c.startFleet()
	c.must(c.put(c.base(), ""))
	c.must(c.untilCalm("the start", time.Now(), 0, rejoining))
	c.must(c.sizes.measure(c))
	return c
}

// wire lays the network, where one can be had, and returns where to listen.
func (c *campaign) wire() (ip string) {
	if missing := lacking(); len(missing) > 0 {
		c.say("NO NETWORK OF ITS OWN, so no packets are dropped; it needs %v", missing)
		return "127.0.0.1"
	}
	var err error
	if c.network, err = newNetwork(nodeCount); err != nil {
		c.say("NO NETWORK OF ITS OWN, so no packets are dropped: %v", err)
		return "127.0.0.1"
	}
	c.t.Cleanup(func() { c.must(c.network.close()) })
	return hubIP
}

func (c *campaign) startEtcd(ip string) {
	var err error
	if c.disks, err = newDisks(c.dir, memberCount); err != nil {
		c.say("NO DISK IS SLOWED DOWN: %v", err)
	} else {
		c.t.Cleanup(func() { c.must(c.disks.close()) })
	}
	c.etcd = etcdtest.ProcessesOn(c.t, ip, memberCount, "--heartbeat-interval=100", "--election-timeout=1000", "--unsafe-no-fsync=false")
	for _, m := range c.etcd.Members {
		client := etcdtest.Client(c.t, []string{m.Endpoint})
		status, err := client.Status(c.ctx, m.Endpoint)
		c.must(err)
		c.ids, c.clients = append(c.ids, status.Header.MemberId), append(c.clients, client)
	}
}

func (c *campaign) startFleet() {
	for i := range nodeCount {
		clock, err := newClock(filepath.Join(c.dir, nodeID(i+1)+".clock"))
		c.must(err)
		c.clocks = append(c.clocks, clock)
	}
	var err error
	c.fleet, err = fleet.New(fleet.Config{
		Program: c.program, Dir: c.dir, Client: c.clients[0], Prefix: "/drm/", Endpoints: c.etcd.Endpoints(),
		Flags:   []string{"--ttl=" + ttl.String(), "--log-format=json", "--egress-allow-private"},
		Prepare: c.prepare,
	})
	c.must(err)
	c.t.Cleanup(c.fleet.Close)
	response, err := c.clients[0].Get(c.ctx, "/", clientv3.WithCountOnly())
	c.must(err)
	c.watch = watchClaims(c.clients, c.fleet.Prefix, response.Header.Revision+1)
	c.t.Cleanup(c.watch.close)
	c.must(c.keepUp())
	c.must(c.sizes.empty(c))
}

// prepare gives a node its clock and its end of the network.
func (c *campaign) prepare(node string, cmd *exec.Cmd) {
	i := number(node)
	cmd.Env = append(cmd.Env, c.clocks[i-1].variable())
	if c.network != nil {
		cmd.Args = append(cmd.Args, "--listen="+nodeIP(i)+":0")
		c.network.prepare(i, cmd)
	}
}

func nodeID(i int) string             { return "n" + strconv.Itoa(i) }
func number(node string) int          { i, _ := strconv.Atoi(node[1:]); return i }
func resourceID(i int) string         { return "r" + strconv.Itoa(i) }
func key(resource string) cluster.Key { return cluster.Key{Kind: "websocket", ID: resource} }

func (c *campaign) node(i int) *fleet.Node { return c.nodes[i-1] }

// base returns the resources that are there all the time.
func (c *campaign) base() []string {
	all := make([]string, resources)
	for i := range all {
		all[i] = resourceID(i)
	}
	return all
}

// say prints a line, with the time since the beginning.
func (c *campaign) say(format string, args ...any) {
	c.t.Helper()
	c.t.Logf("%8.2fs  %s", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

func (c *campaign) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.repeat())
	}
}

// repeat says how to run the same schedule again, and where the logs lie.
func (c *campaign) repeat() string {
	length := ""
	if c.lasts > 0 {
		length = " -campaign " + c.lasts.String()
	}
	return fmt.Sprintf("again: go test ./test/campaign -run 'TestCampaign$' -v -count=1 -timeout 0 -args%s -campaign.seed %d\nlogs: %s", length, c.seed, c.dir)
}
