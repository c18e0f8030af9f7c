package lease

import (
	"context"
	"errors"
	"log/slog"

	"github.com/drm-cluster/drm/cluster"
)

// The log at level debug tells every write before it is sent and again when it was answered, each with the time on
// CLOCK_BOOTTIME, which the processes of a machine share and nobody can set. From the logs of all nodes, those of nodes that
// were killed included, it can be put together afterwards what was done to a key and in what order it can have happened.
const (
	commitSent     = "commit sent"
	commitAnswered = "commit answered"
)

// tracedOp is an op as the log tells of it: never its value, which may hold what is nobody's business.
type tracedOp struct {
	Path   string          `json:"path"`
	Delete bool            `json:"delete,omitempty"`
	Lease  cluster.LeaseID `json:"lease,omitempty"`
	If     []cluster.Guard `json:"if,omitempty"`
}

// tracedResult is what became of one: done, or what was found under its guards instead.
type tracedResult struct {
	Done  bool          `json:"done,omitempty"`
	Found []tracedFound `json:"found,omitempty"`
}

type tracedFound struct {
	Path  string          `json:"path"`
	Rev   int64           `json:"rev"` // 0: absent
	Lease cluster.LeaseID `json:"lease,omitempty"`
}

// trace tells of a Commit that is about to be sent, and returns what is to be called once it was answered.
func (s *Store) trace(ctx context.Context, ops []cluster.Op) func(cluster.Answer, error) {
	if !s.cfg.Log.Enabled(ctx, slog.LevelDebug) {
		return func(cluster.Answer, error) {}
	}
	number := slog.Int64("commit", s.commits.Add(1))
	told := make([]tracedOp, len(ops))
	for i, op := range ops {
		told[i] = tracedOp{op.Path, op.Delete, op.Lease, op.If}
	}
	s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, commitSent, number, boottime(), slog.Any("ops", told))
	return func(a cluster.Answer, err error) {
		attrs := []slog.Attr{number, boottime()}
		if err != nil {
			attrs = append(attrs, slog.Bool("unknown", !errors.Is(err, cluster.ErrRefused) && !errors.Is(err, cluster.ErrLeaseNotFound)), slog.Any("err", err))
		} else {
			attrs = append(attrs, slog.Int64("rev", a.Rev), slog.Any("results", tracedResults(a)))
		}
		s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, commitAnswered, attrs...)
	}
}

func tracedResults(a cluster.Answer) []tracedResult {
	told := make([]tracedResult, len(a.Results))
	for i, r := range a.Results {
		if told[i].Done = r.Done; r.Done {
			continue
		}
		for _, rec := range r.Read {
			found := tracedFound{Path: rec.Path, Rev: rec.Rev, Lease: rec.Lease}
			if rec.Deleted {
				found.Rev = 0
			}
			told[i].Found = append(told[i].Found, found)
		}
	}
	return told
}

func boottime() slog.Attr { return slog.Int64("boottime", int64(Boottime())) }
