package api

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/drm-cluster/drm/cluster"
)

// How a resource fares that another node holds, while its holder doesn't say.
const (
	stateHeld    = "held"    // not known: etcd was not read, or what is there is of another epoch
	stateRunning = "running" // its holder has nothing to tell: a holder writes trouble down, and nothing else
)

// learn completes what the view has of resources that other nodes hold with what their holders wrote. Those that the store
// doesn't answer for stay as they are: a list of who holds what is worth having all the same.
func (s *server) learn(ctx context.Context, infos []cluster.ResourceInfo) {
	var elsewhere []*cluster.ResourceInfo
	for i := range infos {
		if infos[i].State == stateHeld {
			elsewhere = append(elsewhere, &infos[i])
		}
	}
	for some := range slices.Chunk(elsewhere, cluster.MaxCommit*cluster.MaxParts) {
		var ops []cluster.Op
		for few := range slices.Chunk(some, cluster.MaxParts) {
			var op cluster.Op
			for _, info := range few {
				op.Read = append(op.Read, cluster.StatusPath(info.Key))
			}
			ops = append(ops, op)
		}
		answer, err := s.Cluster.Commit(ctx, ops)
		if err != nil {
			s.Log.Warn("http request answered without what holders elsewhere wrote", "err", err)
			return
		}
		for i, result := range answer.Results {
			for j, status := range result.Read {
				fares(some[i*cluster.MaxParts+j], status)
			}
		}
	}
}

// fares takes in what is at status/ of a resource, and returns it, nil if there is nothing.
func fares(info *cluster.ResourceInfo, status cluster.Record) *statusAnswer {
	if status.Deleted {
		if info.State == stateHeld {
			info.State = stateRunning
		}
		return nil
	}
	var trouble cluster.Status
	if json.Unmarshal(status.Value, &trouble) != nil {
		return nil
	}
	// Whoever holds the resource now may not have written yet.
	if info.State == stateHeld && trouble.Of(*info) {
		info.State, info.Error = trouble.State, trouble.Error
	}
	return &statusAnswer{trouble, trouble.Epoch, trouble.SpecRev}
}
