package state

import (
	"bytes"
	"context"

	"github.com/drm-cluster/drm/cluster"
)

// write is one Write that waits, or is under way. It belongs to the Book from submit until it is answered.
type write struct {
	ctx      context.Context // of the caller: a write is not tried again once it has ended
	claim    cluster.Guard
	fence    cluster.Guard
	mark     []byte       // what it writes to the fence, if it has to
	ops      []cluster.Op // without the guards that all have
	repeated bool         // it was sent before, with an unknown outcome
	answered chan verdict // takes one
}

// verdict is what became of a write.
type verdict struct {
	fence int64 // its revision from now on
	err   error
}

// request returns what is to be sent: the ops with the guards that all have. A repeated write also changes the fence, so that its
// other copies fail from then on.
func (w *write) request() []cluster.Op {
	ops := make([]cluster.Op, len(w.ops), len(w.ops)+1)
	for i, op := range w.ops {
		op.If = append([]cluster.Guard{w.claim, w.fence}, op.If...)
		ops[i] = op
	}
	if w.repeated {
		ops = append(ops, cluster.Op{If: []cluster.Guard{w.claim, w.fence}, Path: w.fence.Path, Value: w.mark})
	}
	return ops
}

// size is how many ops and about how many bytes it takes of a request.
func (w *write) size() (ops, bytes int) {
	for _, op := range w.ops {
		bytes += len(op.Value) + 4*len(op.Path) + 64
	}
	if w.repeated {
		return len(w.ops) + 1, bytes + 256
	}
	return len(w.ops), bytes
}

// judge says what an answer means for a write, by the result of its first op; ok is false when it is to be sent again.
func (w *write) judge(result cluster.Result, rev int64) (v verdict, ok bool) {
	if result.Done {
		v.fence = w.fence.Rev
		if w.repeated {
			v.fence = rev
		}
		return v, true
	}
	claim, fence := result.Read[0], result.Read[1]
	if fence.Deleted {
		fence.Rev = 0
	}
	switch {
	case claim.Deleted || claim.Rev != w.claim.Rev:
		return verdict{err: ErrFenced}, true
	case fence.Rev == w.fence.Rev:
		return verdict{fence: fence.Rev}, true // only an ask stands first, and it was taken back
	case w.repeated && bytes.Equal(fence.Value, w.mark):
		return verdict{fence: fence.Rev}, true // it was made before, without our hearing of it
	}
	// Somebody has changed the fence by hand.
	w.fence.Rev = fence.Rev
	return verdict{}, false
}
