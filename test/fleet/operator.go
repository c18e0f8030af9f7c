//go:build linux

package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
)

// What an operator does, with etcdctl, and sees there.

// Put puts a value at a path below the prefix.
func (f *Fleet) Put(ctx context.Context, path, value string) error {
	if _, err := f.Client.Put(ctx, f.Prefix+path, value); err != nil {
		return fmt.Errorf("put %.100q: %w", path, err)
	}
	return nil
}

// PutAll puts many values by path, as fast as etcd takes them.
func (f *Fleet) PutAll(ctx context.Context, values map[string]string) error {
	var ops []clientv3.Op
	for path, value := range values {
		ops = append(ops, clientv3.OpPut(f.Prefix+path, value))
	}
	const most = 128 // operations that etcd takes in a transaction
	for len(ops) > 0 {
		n := min(most, len(ops))
		if _, err := f.Client.Txn(ctx).Then(ops[:n]...).Commit(); err != nil {
			return fmt.Errorf("put %d values: %w", n, err)
		}
		ops = ops[n:]
	}
	return nil
}

// Delete deletes what is at a path below the prefix.
func (f *Fleet) Delete(ctx context.Context, path string) error {
	if _, err := f.Client.Delete(ctx, f.Prefix+path); err != nil {
		return fmt.Errorf("delete %q: %w", path, err)
	}
	return nil
}

// Claim is a claim as etcd has it.
type Claim struct {
	Node  string
	Epoch int64
	Lease cluster.LeaseID
}

// Claims returns all claims, by resource.
func (f *Fleet) Claims(ctx context.Context) (map[cluster.Key]Claim, error) {
	all := f.Prefix + "claims/"
	response, err := f.Client.Get(ctx, all, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	claims := map[cluster.Key]Claim{}
	for _, kv := range response.Kvs {
		kind, id, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), all), "/")
		var value cluster.ClaimValue
		if err := json.Unmarshal(kv.Value, &value); err != nil {
			return nil, fmt.Errorf("read claim %s: %w", kv.Key, err)
		}
		claims[cluster.Key{Kind: kind, ID: id}] = Claim{value.Node, kv.ModRevision, cluster.LeaseID(kv.Lease)}
	}
	return claims, nil
}

// Held counts the claims of each node.
func (f *Fleet) Held(ctx context.Context) (map[string]int, error) {
	claims, err := f.Claims(ctx)
	held := map[string]int{}
	for _, c := range claims {
		held[c.Node]++
	}
	return held, err
}

// registered waits until a node's key is there that the supervisor's worker has put, and returns its HTTP address.
func (f *Fleet) registered(ctx context.Context, id string, supervisor int) (string, error) {
	key := f.Prefix + cluster.NodePath(id)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := f.Client.Get(ctx, key)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	watch := f.Client.Watch(clientv3.WithRequireLeader(ctx), key, clientv3.WithRev(response.Header.Revision+1))
	for _, kv := range response.Kvs {
		if address, ok := ours(kv.Value, supervisor); ok {
			return address, nil
		}
	}
	for answer := range watch {
		for _, event := range answer.Events {
			if address, ok := ours(event.Kv.Value, supervisor); ok && event.Type == clientv3.EventTypePut {
				return address, nil
			}
		}
		if err := answer.Err(); err != nil {
			return "", fmt.Errorf("watch %s: %w", key, err)
		}
	}
	return "", fmt.Errorf("watch %s: %w", key, context.Cause(ctx))
}

// ours tells whether a node's key was put by the worker of a supervisor: an earlier life of the node may still be there.
func ours(value []byte, supervisor int) (address string, ok bool) {
	var node cluster.Node
	if json.Unmarshal(value, &node) != nil {
		return "", false
	}
	for _, child := range childrenOf(supervisor) {
		if child == node.Life.PID {
			return node.Address, true
		}
	}
	return "", false
}
