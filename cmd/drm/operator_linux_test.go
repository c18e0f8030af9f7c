package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

// site is a cluster of real nodes on a real etcd, with a server that sees every connection, and an operator at a shell.
type site struct {
	*fleet.Fleet
	t   *testing.T
	ctx context.Context
	rec *recorder.Server
	env []string

	etcd *clientv3.Client
	shop *shop // nil: there is none
}

func newSite(t *testing.T) *site {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(beDRM, "1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	etcd := etcdtest.Start(t)
	s := &site{t: t, ctx: ctx, env: []string{"ETCDCTL_ENDPOINTS=" + etcd.Endpoint}}
	if s.rec, err = recorder.Start("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.rec.Close)
	s.etcd = etcdtest.Client(t, etcd.Endpoints())
	s.Fleet, err = fleet.New(fleet.Config{Program: program, Dir: t.TempDir(), Client: s.etcd, Prefix: "/drm/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if r := s.rec.Record(); len(r.Overlaps) > 0 {
			t.Errorf("a resource had two connections: %+v", r.Overlaps[0])
		}
	})
	return s
}

// put puts a resource; more are fields of its spec.
func (s *site) put(kind, id, more string) {
	s.t.Helper()
	spec := fmt.Sprintf(`{"url": %q, "reconnect": {"initial": "100ms"}%s}`, s.rec.URL(id), more)
	if err := s.Put(s.ctx, cluster.ResourcePath(cluster.Key{Kind: kind, ID: id}), spec); err != nil {
		s.t.Fatal(err)
	}
}

// open waits until so many resources have a connection.
func (s *site) open(n int) {
	s.t.Helper()
	if err := s.rec.Wait(s.ctx, func(r recorder.Record) bool { return r.Held == n && r.Open == n }); err != nil {
		s.t.Fatalf("%d connections: %v", n, err)
	}
}

// start runs nodes, one after the other.
func (s *site) start(flags ...string) {
	s.t.Helper()
	for _, line := range flags {
		words := strings.Fields(line)
		if _, err := s.Start(s.ctx, words[0], words[1:]...); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A drain that is done is done: nothing is connected from that node any more, everything is from elsewhere, and the node lives. Seen to
// fail with a drain that ends when the node has been told.
func TestDrainIsHonest(t *testing.T) {
	s := newSite(t)
	s.start("a", "b", "c")
	for i := range 60 {
		s.put("websocket", fmt.Sprintf("r%d", i), "")
	}
	s.open(60)
	before := len(s.rec.Record().Conns)
	claims, err := s.Claims(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	on := 0
	for _, c := range claims {
		if c.Node == "b" {
			on++
		}
	}
	code, stdout, stderr := call(s.env, "drain", "b", "--deadline", "20s")
	r := s.rec.Record()
	claims, err = s.Claims(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code != exitOK || !strings.HasPrefix(stdout, fmt.Sprintf("b is drained of %d resources: ", on)) {
		t.Fatalf("code %d: %s%s", code, stdout, stderr)
	}
	if r.Open != 60 || len(r.Conns)-before != on {
		t.Errorf("%d of 60 connections are open, %d were opened anew, want the %d of b", r.Open, len(r.Conns)-before, on)
	}
	if len(claims) != 60 || slices.ContainsFunc(claimNodes(claims), func(node string) bool { return node == "b" }) {
		t.Errorf("after the drain the claims are %v", claims)
	}
	if !strings.Contains(stderr, "looking whether they run") {
		t.Errorf("no progress is shown:\n%s", stderr)
	}
	if n := s.Nodes()[1]; !n.Worker.Running() {
		t.Error("the node has ended")
	}
}

func claimNodes(claims map[cluster.Key]fleet.Claim) []string {
	var nodes []string
	for _, c := range claims {
		nodes = append(nodes, c.Node)
	}
	return nodes
}

// What has JSON to say, a program can read, with the numbers that it might round as strings.
func TestOperatorsJSON(t *testing.T) {
	s := newSite(t)
	s.start("a")
	s.put("websocket", "r1", "")
	s.put("webscoket", "typo", "")
	s.open(1)
	var all []struct {
		Kind, ID, State, Holder, Epoch string
		Pending                        struct{ Reason string }
	}
	var nodes []struct {
		ID, State string
		Held      int
	}
	var why struct {
		Why, Epoch string
		Nodes      []struct {
			Node  string
			Holds bool
		}
	}
	var moves struct{ Moves []struct{ From, To string } }
	for _, test := range []struct {
		args string
		into any
	}{{"get", &all}, {"nodes", &nodes}, {"explain websocket/r1", &why}, {"rebalance --dry-run", &moves}} {
		code, stdout, stderr := call(s.env, append(strings.Fields(test.args), "-o", "json")...)
		decoder := json.NewDecoder(bytes.NewReader([]byte(stdout)))
		if err := decoder.Decode(test.into); err != nil || code != exitOK || stderr != "" {
			t.Errorf("drm %s: code %d, %v: %s%s", test.args, code, err, stdout, stderr)
		}
	}
	if len(all) != 2 || all[0].Pending.Reason != cluster.UnheldKind || all[1].Holder != "a" || all[1].Epoch == "" {
		t.Errorf("get: %+v", all)
	}
	if len(nodes) != 1 || nodes[0].Held != 1 || nodes[0].State != "ready" {
		t.Errorf("nodes: %+v", nodes)
	}
	if why.Epoch != all[1].Epoch || len(why.Nodes) != 1 || !why.Nodes[0].Holds {
		t.Errorf("explain: %+v", why)
	}
}
