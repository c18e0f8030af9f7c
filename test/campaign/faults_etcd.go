//go:build linux

package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func etcdFaults() []fault {
	return []fault{
		{
			name: "etcd follower frozen", does: "SIGSTOP to a member that doesn't lead, for longer than the TTL: its connections stay open and nothing answers",
			hits: hitsEtcd, bound: atOnce, least: ttl + time.Second, make: freezeFollower,
		},
		{
			name: "etcd leader frozen", does: "SIGSTOP to the leader, for longer than the TTL; the others elect another one, and it wakes up believing that it leads",
			hits: hitsEtcd, starts: true, bound: expired, least: ttl + time.Second, make: freezeLeader,
		},
		{
			name: "etcd leader killed", does: "SIGKILL to the leader, which is started again at the end",
			hits: hitsEtcd, starts: true, bound: expired, make: killLeader,
		},
		{
			name: "etcd without a majority", does: "SIGKILL to two of three members, for longer than the TTL: everything must be let go by itself before the TTL is over",
			hits: hitsEtcd, starts: true, bound: rejoining, least: ttl + 2*time.Second, fatal: true, make: killMajority,
		},
		{
			name: "etcd's disks slow", does: "the kernel lets every member write thirty times a second and holds up the rest, for longer than the TTL: a put takes a quarter of a second",
			hits: hitsEtcd, starts: true, bound: 2 * rejoining, least: ttl + 2*time.Second, needs: needsDisks, make: slowDisks,
		},
		{
			name: "compacted behind a watch", does: "the member that most nodes watch, a follower, is frozen, much is written, all of it compacted, and another member defragmented",
			hits: hitsEtcd, bound: 2 * atOnce, least: 3 * time.Second, make: compact,
		},
	}
}

func freezeFollower(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	follower, err := c.follower(chance)
	if err != nil {
		return nil, err
	}
	return c.freezeMember(follower), nil
}

func freezeLeader(c *campaign, _ card, _ *rand.Rand) (func() error, error) {
	leader, err := c.leader()
	if err != nil {
		return nil, err
	}
	return c.freezeMember(leader), nil
}

func (c *campaign) freezeMember(i int) (thaw func() error) {
	c.say("member %d is frozen", i)
	c.ill[i] = true
	c.etcd.Members[i].Stop()
	return func() error {
		c.etcd.Members[i].Cont()
		return c.recovered(i)
	}
}

func killLeader(c *campaign, _ card, _ *rand.Rand) (func() error, error) {
	leader, err := c.leader()
	if err != nil {
		return nil, err
	}
	return c.killMembers(leader), nil
}

func (c *campaign) killMembers(members ...int) (restart func() error) {
	for _, i := range members {
		c.say("member %d is killed", i)
		c.ill[i] = true
		c.etcd.Members[i].Kill()
	}
	return func() error {
		for _, i := range members {
			c.etcd.Members[i].Restart()
		}
		return c.recovered(members...)
	}
}

// recovered waits until members answer again.
func (c *campaign) recovered(members ...int) error {
	for _, i := range members {
		c.etcd.Members[i].WaitReady()
		delete(c.ill, i)
	}
	return nil
}

func killMajority(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	dead := chance.Perm(len(c.etcd.Members))[:2]
	restart := c.killMembers(dead...)
	began := time.Now()
	for since := time.Duration(0); len(c.shown()) > 0; since = time.Since(began) {
		if since > ttl {
			c.violated(checkTrust, fmt.Errorf("%d connections are open %v after etcd had lost its majority", len(c.shown()), since))
			break
		}
		c.tick()
	}
	c.say("all was let go %v after the majority was lost", time.Since(began).Round(time.Millisecond))
	return restart, nil
}

// writesASecond is below the fifty that the makers of etcd ask of a disk at least: a write of etcd takes a quarter of a second then.
const writesASecond = 30

func slowDisks(c *campaign, _ card, _ *rand.Rand) (func() error, error) {
	limit := func(writes int) error {
		var errs []error
		for i, m := range c.etcd.Members {
			errs = append(errs, c.disks.slow(i, m.PID(), writes))
		}
		return errors.Join(errs...)
	}
	heal := func() error { return limit(0) }
	if err := limit(writesASecond); err != nil {
		return heal, err
	}
	return heal, c.slowly()
}

// slowly sees to it that etcd has become slow.
func (c *campaign) slowly() error {
	began := time.Now()
	for range 5 {
		_, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.PutResponse, error) {
			return client.Put(ctx, "/campaign", "")
		})
		if err != nil {
			return fmt.Errorf("slow down disks: %w", err)
		}
	}
	took := time.Since(began) / 5
	c.say("a put takes %v now", took.Round(time.Millisecond))
	if took < time.Second/writesASecond {
		return fmt.Errorf("slow down disks: a put takes %v all the same", took)
	}
	return nil
}

// leader returns the member that leads, as those that answer say.
func (c *campaign) leader() (int, error) {
	status, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.StatusResponse, error) {
		status, err := client.Status(ctx, client.Endpoints()[0])
		if err == nil && status.Leader == 0 {
			err = errors.New("there is no leader")
		}
		return status, err
	})
	if err != nil {
		return 0, fmt.Errorf("find leader: %w", err)
	}
	for i, id := range c.ids {
		if id == status.Leader {
			return i, nil
		}
	}
	return 0, fmt.Errorf("find leader: no member has the id %x", status.Leader)
}

func (c *campaign) follower(chance *rand.Rand) (int, error) {
	leader, err := c.leader()
	return (leader + 1 + chance.IntN(len(c.etcd.Members)-1)) % len(c.etcd.Members), err
}
