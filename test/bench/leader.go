//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leader: etcd's leader, one of three members, is killed. Nobody may notice.
func leader(ctx context.Context, s *inside) ([]row, error) {
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	if err := calm(ctx, 3*time.Second); err != nil { // for renewals to be under way as they will be
		return nil, err
	}
	victim, err := s.leads(ctx)
	if err != nil {
		return nil, err
	}
	before := s.Ever()
	s.members[victim].close()
	at := time.Now()
	if err := s.writable(ctx); err != nil {
		return nil, err
	}
	took := time.Since(at)
	if err := calm(ctx, 2*s.b.ttl); err != nil { // whatever had lost its trust would have shown it by then
		return nil, err
	}
	stopped := s.Ever() - before // each began anew
	return []row{
		count("kill -9 of etcd's leader, of three members: resources stopped", s.n, float64(stopped), "").exactly(0),
		count("  terms lost", s.n, float64(s.TermsLost()), "").exactly(0),
		seconds("  until etcd took a write again", s.n, took),
		seconds("  slowest round of renewals", s.n, s.Renewed.Spread().Max),
	}, nil
}

// leads returns the index of the member that leads.
func (s *inside) leads(ctx context.Context) (int, error) {
	for i, endpoint := range s.client.Endpoints() {
		status, err := s.client.Status(ctx, endpoint)
		if err != nil {
			return 0, fmt.Errorf("find etcd's leader: %w", err)
		}
		if status.Leader == status.Header.MemberId {
			return i, nil
		}
	}
	return 0, errors.New("find etcd's leader: no member leads")
}

// writable waits until a put goes through.
func (s *inside) writable(ctx context.Context) error {
	for ctx.Err() == nil {
		once, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := s.client.Put(once, s.scratch.Prefix+"probe", "")
		stop()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("wait for etcd to take a write: %w", context.Cause(ctx))
}
