package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/redistest"
)

// A thousand resources on one server share one connection, before and after it was lost; each gets what is its own. Seen to fail with ids
// of resources made part of the site.
func TestManyShareOneConnection(t *testing.T) {
	t.Parallel()
	const many = 1000
	s := redistest.Start(t)
	n := newNode(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	connected := make(chan struct{}, 10*many)
	var running sync.WaitGroup
	for i := range many {
		claim := cluster.Claim{
			Key: cluster.Key{Kind: Kind, ID: fmt.Sprint(i)}, Epoch: 77, Held: ctx, Change: cluster.ChangeNew,
			Spec: json.RawMessage(fmt.Sprintf(`{"url": "%s", "channels": ["c%d", "all"], "emit_gaps": false, %s}`, s.URL(), i, soon)),
			Report: func(c cluster.Condition) {
				if c.State == resources.StateConnected {
					connected <- struct{}{}
				}
			},
		}
		running.Go(func() { _ = n.runner.Run(ctx, claim) })
	}
	defer running.Wait()
	defer stop()
	for round := range 2 {
		for range many {
			receive(t, connected, "not all are connected")
		}
		if got := subscribers(s); got != 1 {
			t.Errorf("%d connections subscribe, want 1", got)
		}
		s.Do("PUBLISH", "all", fmt.Sprint(round))
		for i := range many {
			e := receive(t, n.from(fmt.Sprint("drm/redis/", i)), "not all get it")
			if fmt.Sprint(e["data"]) != fmt.Sprint(round) {
				t.Fatalf("resource %d got %v", i, e)
			}
		}
		s.Do("PUBLISH", "c321", "mine")
		if e := receive(t, n.from("drm/redis/321"), "nothing"); e["data"] != "mine" {
			t.Errorf("got %v", e)
		}
		if round == 0 {
			s.Do("CLIENT", "KILL", "TYPE", "pubsub")
		}
	}
	if got := n.count.of(n.count.connects, resources.ConnectOK); got != 2 {
		t.Errorf("%d connections were made, want 2", got)
	}
}
