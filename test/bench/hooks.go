//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/test/fleet"
)

// hooks is a cluster of its own for one part about webhooks: "drm run" processes, a prefix in etcd, and a receiver, a process
// as well. Every webhook has a topic of its own.
type hooks struct {
	*fleet.Fleet
	b    *bench
	n    int // webhooks
	to   remote
	load *loader

	helper *helper // the receiver
}

// measureHooks runs one part on a stage of its own. Whatever it does, no event may come twice: only etcd and nodes are troubled.
func (b *bench) measureHooks(ctx context.Context, p part, n int) (rows []row, err error) {
	h, err := b.hooks(n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	rows, err = p.hooks(ctx, h)
	if err != nil {
		var tails []string
		for _, node := range h.Nodes() {
			tails = append(tails, node.Tail())
		}
		return nil, fmt.Errorf("%w\n%s", err, strings.Join(tails, "\n"))
	}
	seen, err := h.to.came(ctx, 0)
	return append(rows, count(p.name+": events that came twice", n, float64(seen.Twice), "").exactly(0)), err
}

func (b *bench) hooks(n int) (h *hooks, err error) {
	b.stages++
	h = &hooks{b: b, n: n}
	if h.helper, h.to.address, err = startListener(roleReceiver); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.helper.close()
		}
	}()
	prefix := fmt.Sprintf("/bench%d/", b.stages)
	dir := filepath.Join(b.dir, fmt.Sprintf("stage%d", b.stages))
	if err = os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	store, err := lease.Open(lease.Config{Endpoints: b.client.Endpoints(), Prefix: prefix})
	if err != nil {
		return nil, err
	}
	h.load = &loader{store: store, publisher: events.NewPublisher(store)}
	h.Fleet, err = fleet.New(fleet.Config{
		Program: b.program, Dir: dir, Client: b.client, Prefix: prefix,
		Flags: []string{"--ttl=" + b.ttl.String(), "--log-level=info"},
	})
	return h, err
}

// close ends the stage and removes its keys, so that the next one finds etcd as this one did.
func (h *hooks) close(ctx context.Context) error {
	h.Fleet.Close()
	h.helper.close()
	err := h.load.store.Close()
	_, deleted := h.b.client.Delete(ctx, h.Prefix, clientv3.WithPrefix())
	return errors.Join(err, deleted)
}

func hookKey(i int) cluster.Key { return cluster.Key{Kind: webhook.Kind, ID: fmt.Sprintf("h%d", i)} }

// put puts the webhooks, with the defaults of a spec: effectively_once, four requests at a time.
func (h *hooks) put(ctx context.Context) error {
	_, port, _ := strings.Cut(h.to.address, ":")
	specs := map[string]string{}
	for i := range h.n {
		specs[cluster.ResourcePath(hookKey(i))] = fmt.Sprintf(
			`{"url": %q, "topics": [%q], "start": "oldest", "network": {"allow_http": true, "ports": [%s]}}`, h.to.url(hookKey(i).ID), topic(i), port)
	}
	return h.PutAll(ctx, specs)
}

// webhookClaims is what the claims on webhooks begin with. There are others: a node that holds a webhook has another resource trim the log.
const webhookClaims = "claims/webhook/"

// claimed returns once all webhooks are held.
func (h *hooks) claimed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	watching := h.Client.Watch(clientv3.WithRequireLeader(ctx), h.Prefix+webhookClaims, clientv3.WithPrefix())
	for {
		answer, err := h.Client.Get(ctx, h.Prefix+webhookClaims, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || int(answer.Count) == h.n {
			return err
		}
		if _, open := <-watching; !open {
			return fmt.Errorf("wait for all to be held: %w; %d are", context.Cause(ctx), answer.Count)
		}
	}
}
