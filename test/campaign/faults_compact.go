//go:build linux

package campaign

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func compact(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	watched, err := c.watched()
	if err == nil {
		err = c.follow(watched)
	}
	if err != nil {
		return nil, fmt.Errorf("find whom nodes watch: %w", err)
	}
	thaw := c.freezeMember(watched)
	return func() error {
		c.say("%v times, so far, a node found that what it watched was compacted", c.sum(`drm_watch_restarts_total{reason="compacted"}`))
		return thaw()
	}, c.compactAll(chance)
}

// watched returns the member with the most watches on it, as the members say.
func (c *campaign) watched() (most int, err error) {
	counts := make([]int, memberCount)
	for i, m := range c.etcd.Members {
		response, err := http.Get(m.Endpoint + "/metrics")
		if err != nil {
			return 0, fmt.Errorf("ask member %d: %w", i, err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return 0, fmt.Errorf("ask member %d: %w", i, err)
		}
		_, rest, _ := strings.Cut(string(text), "\netcd_debugging_mvcc_watcher_total ")
		if _, err := fmt.Sscan(rest, &counts[i]); err != nil {
			return 0, fmt.Errorf("read metrics of member %d: %w", i, err)
		}
		if counts[i] > counts[most] {
			most = i
		}
	}
	c.say("watches on the members: %v", counts)
	return most, nil
}

// follow sees to it that a member doesn't lead.
func (c *campaign) follow(member int) error {
	leader, err := c.leader()
	if err != nil || leader != member {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	_, err = c.clients[leader].MoveLeader(ctx, c.ids[(leader+1)%memberCount])
	return err
}

// sum adds a metric up over the nodes that answer.
func (c *campaign) sum(metric string) (sum float64) {
	for _, n := range c.nodes {
		if !c.hidden[n.ID] && runs(n) {
			m, err := n.Metrics(c.ctx)
			if err != nil {
				c.say("%v", err) // it ends at this moment
			}
			sum += m[metric]
		}
	}
	return sum
}

// compactAll changes every resource, compacts all revisions, and defragments a member.
func (c *campaign) compactAll(chance *rand.Rand) error {
	if err := c.put(c.base(), fmt.Sprintf(`, "subscribe": ["%d"]`, chance.Uint32())); err != nil {
		return err
	}
	var last int64
	for range 3 { // what is watched from the revision compacted is still there
		response, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.PutResponse, error) {
			return client.Put(ctx, "/campaign", "")
		})
		if err != nil {
			return err
		}
		last = response.Header.Revision
	}
	_, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.DefragmentResponse, error) {
		if _, err := client.Compact(ctx, last, clientv3.WithCompactPhysical()); err != nil {
			c.say("compact: %v", err) // it was done by an attempt whose answer was lost, or follows here
		}
		return client.Defragment(ctx, client.Endpoints()[0])
	})
	return err
}
