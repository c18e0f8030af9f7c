package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ask does a request that may safely be done twice, and returns the first answer. It starts with the member that
// answered last; when that is silent for as long as patience, or fails, the next one is asked too, and so on round
// the members until ctx or the request timeout ends.
func ask[T any](ctx context.Context, s *Store, op string, patience time.Duration, call func(context.Context, *member) (T, error)) (value T, err error) {
	began := time.Now()
	defer func() { s.cfg.Observe(op, time.Since(began), err) }()
	type answer struct {
		from  int
		value T
		err   error
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := s.bounded(ctx)
	defer cancel()

	answers := make(chan answer, len(s.members))
	busy := make([]bool, len(s.members))
	next, asked := int(s.best.Load()), 0
	turn := time.NewTimer(0)
	defer turn.Stop()
	for {
		select {
		case <-turn.C:
			if m := s.members[next]; !busy[next] {
				busy[next] = true
				asked++
				running.Go(func() {
					v, err := call(ctx, m)
					answers <- answer{m.index, v, err}
				})
			}
			next = (next + 1) % len(s.members)
			turn.Reset(patience)
		case a := <-answers:
			busy[a.from] = false
			if a.err == nil {
				s.best.Store(int32(a.from))
			}
			if a.err == nil || !elsewhere(a.err) {
				return a.value, a.err
			}
			if ctx.Err() == nil {
				err = a.err
			}
			turn.Reset(roundPause(asked, len(s.members)))
		case <-ctx.Done():
			return value, unanswered(ctx, err)
		}
	}
}

// roundPause is how long to wait before the next member is asked after one has failed: not at all until all
// have failed, then a little.
func roundPause(asked, members int) time.Duration {
	if asked%members != 0 {
		return 0
	}
	return 50*time.Millisecond + rand.N(100*time.Millisecond)
}

// unanswered is the error of a request whose time is over; last is the latest error of a member, if any.
func unanswered(ctx context.Context, last error) error {
	if last == nil || errors.Is(last, context.Cause(ctx)) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w; the last error was: %w", context.Cause(ctx), last)
}
