//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

const (
	nodes = 3
	// within bounds each thing that is waited for.
	within = 2 * time.Minute
)

// bench is what all parts share: a build of drm, and one etcd.
type bench struct {
	options
	dir     string
	program string
	etcd    []*helper
	client  *clientv3.Client
	stages  int
}

func newBench(o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "drm-bench-")
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	b := &bench{options: o, dir: dir}
	if b.program, err = fleet.Build(dir); err == nil {
		b.etcd, b.client, err = startEtcd(dir, 1)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

func (b *bench) close() error {
	closeEtcd(b.etcd, b.client)
	return os.RemoveAll(b.dir)
}

// stage is a cluster of its own for one part: nodes, a prefix in etcd, a recorder.
type stage struct {
	*fleet.Fleet
	b        *bench
	n        int // resources
	recorder *helper
	seen     recorder.Remote

	won, lost float64 // bids of nodes that were asked
}

func (b *bench) stage(n int) (*stage, error) {
	b.stages++
	s := &stage{b: b, n: n}
	var err error
	if s.recorder, s.seen, err = startRecorder(); err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("/bench%d/", b.stages)
	dir := filepath.Join(b.dir, fmt.Sprintf("stage%d", b.stages))
	if err = os.Mkdir(dir, 0o755); err == nil {
		s.Fleet, err = fleet.New(fleet.Config{
			Program: b.program, Dir: dir, Client: b.client, Prefix: prefix,
			Flags: []string{"--ttl=" + b.ttl.String(), "--log-level=info"},
		})
	}
	if err != nil {
		s.recorder.close()
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return s, nil
}

// close ends the stage and removes its keys, so that the next one finds etcd as this one did.
func (s *stage) close(ctx context.Context) error {
	s.Fleet.Close()
	s.recorder.close()
	_, err := s.b.client.Delete(ctx, s.Prefix, clientv3.WithPrefix())
	return err
}

// measure runs one part on a cluster of its own.
func (b *bench) measure(ctx context.Context, p part, n int) ([]row, error) {
	switch {
	case p.inside != nil:
		return b.measureInside(ctx, p, n)
	case p.hooks != nil:
		return b.measureHooks(ctx, p, n)
	}
	return b.measureFleet(ctx, p, n)
}

// measureFleet runs one part on a stage of its own.
func (b *bench) measureFleet(ctx context.Context, p part, n int) (rows []row, err error) {
	s, err := b.stage(n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	rows, err = p.fleet(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, node := range s.Nodes() {
		if node.Worker != nil && node.Worker.Running() {
			if err := s.tally(ctx, node); err != nil {
				return nil, err
			}
		}
	}
	record, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	if record.Ever > 0 { // websockets: the recorder has seen no others
		rows = append(rows, count(p.name+": held twice, ever", n, float64(len(record.Overlaps)), "").exactly(0))
	}
	if all := s.won + s.lost; all > 0 {
		rows = append(rows, count(p.name+": bids lost", n, 100*s.lost/all, "%").atMost(5))
	}
	return rows, nil
}

// tally adds what a node says of its bids; it is asked once in its life, at the end.
func (s *stage) tally(ctx context.Context, node *fleet.Node) error {
	m, err := node.Metrics(ctx)
	if err != nil {
		return err
	}
	s.won += m[`drm_bids_total{result="won"}`]
	s.lost += m[`drm_bids_total{result="lost"}`]
	return nil
}

// start starts the nodes, all at once, with flags for the first and for the others.
func (s *stage) start(ctx context.Context, first, others []string) error {
	for i := range nodes {
		flags := others
		if i == 0 {
			flags = first
		}
		if _, err := s.Launch(nodeID(i), flags...); err != nil {
			return err
		}
	}
	for _, node := range s.Nodes() {
		if err := node.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

func nodeID(i int) string { return fmt.Sprintf("n%d", i+1) }

// put puts the resources, to be connected to an address.
func (s *stage) put(ctx context.Context, address string) error {
	specs := map[string]string{}
	for i := range s.n {
		id := fmt.Sprintf("r%d", i)
		specs[cluster.ResourcePath(cluster.Key{Kind: "websocket", ID: id})] = fmt.Sprintf(`{"url": %q}`,
			recorder.URL(address, id))
	}
	return s.PutAll(ctx, specs)
}

// populate starts the nodes, puts the resources and returns when all are held and spread evenly.
func (s *stage) populate(ctx context.Context) error {
	if err := s.start(ctx, nil, nil); err != nil {
		return err
	}
	if err := s.put(ctx, s.seen.Address); err != nil {
		return err
	}
	return s.balanced(ctx, nodes)
}

// held returns once all resources are held and there have been so many connections.
func (s *stage) held(ctx context.Context, ever int) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.seen.Wait(ctx, s.n, ever)
}

// balanced returns once all is held, and no two nodes differ by more than one.
func (s *stage) balanced(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond) // a sum over many keys: nothing tells of the moment
	defer again.Stop()
	for {
		held, err := s.Held(ctx)
		if err != nil {
			return err
		}
		least, most, sum := s.n, 0, 0
		for _, n := range held {
			least, most, sum = min(least, n), max(most, n), sum+n
		}
		if len(held) == nodes && sum == s.n && most-least <= 1 {
			return s.held(ctx, 0)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for an even spread: %w; now: %v", ctx.Err(), held)
		}
	}
}

// freeAddress returns an address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
