//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/measure"
)

// inside is a cluster in this process for one part, with a prefix of its own.
type inside struct {
	*measure.Cluster
	b       *bench
	n       int // resources
	client  *clientv3.Client
	scratch *measure.Scratch
	members []*helper // of the part's own etcd
}

// measureInside runs one part on nodes in this process.
func (b *bench) measureInside(ctx context.Context, p part, n int) (rows []row, err error) {
	b.stages++
	s := &inside{b: b, n: n, client: b.client}
	if p.members > 0 {
		dir := filepath.Join(b.dir, p.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		if s.members, s.client, err = startEtcd(dir, p.members); err != nil {
			return nil, err
		}
		defer closeEtcd(s.members, s.client)
	}
	prefix := fmt.Sprintf("/bench%d/", b.stages)
	s.scratch = &measure.Scratch{Client: s.client, Prefix: prefix, TTL: 10 * time.Minute}
	s.Cluster = measure.NewCluster(lease.Config{Endpoints: s.client.Endpoints(), Prefix: prefix}, b.ttl)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	rows, err = p.inside(ctx, s)
	err = errors.Join(err, s.Close(ctx))
	if p.members == 0 {
		err = errors.Join(err, s.scratch.Clean(ctx))
	}
	if err != nil {
		return nil, err
	}
	return append(rows, count(p.name+": held twice, ever", n, float64(s.Overlaps()), "").exactly(0)), nil
}

// trio is three nodes alike.
func trio() []cluster.Node { return []cluster.Node{{ID: "n1"}, {ID: "n2"}, {ID: "n3"}} }

// fill puts the resources and has three nodes hold them, spread evenly.
func (s *inside) fill(ctx context.Context) error {
	if err := s.scratch.Resources(ctx, s.n); err != nil {
		return err
	}
	if _, err := s.Filled(ctx, s.n, trio()...); err != nil {
		return err
	}
	return s.even(ctx, nodes)
}

// even waits until all is held by so many nodes, none of which holds two more than another.
func (s *inside) even(ctx context.Context, nodes int) error {
	return s.Wait(ctx, func(now measure.Now) bool {
		least, most, holders := s.n, 0, 0
		for _, held := range now.Held {
			if held > 0 {
				least, most, holders = min(least, held), max(most, held), holders+1
			}
		}
		return now.Running == s.n && holders == nodes && most-least <= 1
	})
}

// lostShare is the share of bids lost, in percent.
func (s *inside) lostShare(won int) float64 { return 100 * float64(s.Lost()) / float64(won+s.Lost()) }

// calm waits, while nothing is to happen.
func calm(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	}
}
