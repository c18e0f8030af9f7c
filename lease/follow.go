package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// maxRefusals is how many times in a row etcd may refuse a listing or a watch before Follow gives up: with the
// pauses between, about four seconds in which an operator may be changing roles.
const maxRefusals = 6

// The bounds of the pause before Follow starts over.
const (
	minPause = 20 * time.Millisecond
	maxPause = 2 * time.Second
)

// The bounds of how long a member may say nothing while it owes events or progress, before another is watched. It
// doubles each time, because a large revision on a slow network is silent until all of it has come.
const (
	minSilence = time.Second
	maxSilence = time.Minute
)

// errSilent ends a watch whose member owes events or progress and says nothing.
var errSilent = errors.New("the watch was silent for too long")

// follower is one Follow. Its fields belong to the goroutine that called it.
type follower struct {
	s       *Store
	keys    keys
	out     chan<- cluster.Batch
	life    *life
	rev     int64 // everything up to here has been delivered; 0: to be listed
	member  int   // index of the member to watch
	silence time.Duration
	recheck time.Time
}

// Follow lists and then watches the control range. See cluster.Store. The Fresh of a listing's last page is from
// before the listing. A page of a listing whose Rev differs from that of the page before begins a new listing.
func (s *Store) Follow(ctx context.Context, out chan<- cluster.Batch) error {
	return s.follow(ctx, s.pin.begin(), s.control(), out)
}

// follow is Follow of any keys, in a life of the pin.
func (s *Store) follow(ctx context.Context, life *life, keys keys, out chan<- cluster.Batch) error {
	ctx, cancel := s.joined(ctx)
	defer cancel()
	f := &follower{s: s, keys: keys, out: out, life: life, member: int(s.best.Load()), silence: minSilence}
	f.planRecheck()
	wait, refusals := minPause, 0
	for {
		before := f.rev
		err := f.session(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		reason := startOver(err)
		s.cfg.Notice(reason)
		s.cfg.Log.Warn("following etcd starts over", "keys", keys.name, "reason", reason, "revision", f.rev, "err", err)
		if f.rev > before {
			wait, refusals, f.silence = minPause, 0, minSilence
		} else if errors.Is(err, errSilent) {
			f.silence = min(2*f.silence, maxSilence)
		}
		if errors.Is(err, cluster.ErrRestored) {
			return err
		}
		if errors.Is(err, rpctypes.ErrCompacted) {
			f.rev = 0
		} else if errors.Is(err, cluster.ErrRefused) {
			if refusals++; refusals == maxRefusals {
				return err
			}
		}
		if pause(ctx, wait/2+rand.N(wait)) != nil {
			return context.Cause(ctx)
		}
		wait = min(2*wait, maxPause)
	}
}

// session lists if need be and then watches, until something ends it.
func (f *follower) session(ctx context.Context) error {
	if f.rev == 0 {
		began := Boottime()
		err := f.s.list(ctx, f.keys, func(b cluster.Batch) error {
			if b.Complete {
				b.Fresh = began
			}
			if err := f.send(ctx, b); err != nil || !b.Complete {
				return err
			}
			f.rev = b.Rev
			return nil
		})
		if err != nil {
			return err
		}
	}
	err := f.watch(ctx)
	if !errors.Is(err, rpctypes.ErrCompacted) {
		f.member = (f.member + 1) % len(f.s.members)
	}
	return err
}

// send delivers a batch, for as long as its reader takes.
func (f *follower) send(ctx context.Context, b cluster.Batch) error {
	select {
	case f.out <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.life.voided:
		return fmt.Errorf("follow: %w", cluster.ErrRestored)
	}
}

// planRecheck sets when the keys are to be listed again in the background.
func (f *follower) planRecheck() {
	every := f.keys.recheck
	f.recheck = time.Now().Add(every - every/10 + rand.N(every/5+1))
}

// startOver names the reason for which Follow starts over, out of a bounded set.
func startOver(err error) string {
	switch {
	case errors.Is(err, cluster.ErrRestored):
		return "restored"
	case errors.Is(err, rpctypes.ErrCompacted):
		return "compacted"
	case errors.Is(err, errSilent):
		return "silent"
	case errors.Is(err, rpctypes.ErrNoLeader):
		return "no_leader"
	case tokenRefused(err), errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(err, rpctypes.ErrAuthFailed):
		return "auth"
	}
	return "lost"
}
