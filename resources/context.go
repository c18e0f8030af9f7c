package resources

import (
	"cmp"
	"context"
	"time"
)

// Cause tells why ctx has ended, nil if it has not. Unlike context.Cause it goes by ctx.Err: a context whose Err looks
// at a clock may be over before anything was told so.
func Cause(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	return cmp.Or(context.Cause(ctx), err)
}

// Wait returns after d, or with the cause when ctx ends first.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// WithTimeout does as context.WithTimeoutCause, but the Err of what it returns still asks that of ctx, which may look at a clock: a
// context derived in the usual way would go by what its parent was told.
func WithTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeoutCause(ctx, d, cause)
	return &timed{limited, ctx}, cancel
}

type timed struct {
	context.Context
	parent context.Context
}

// Err implements context.Context.
func (t *timed) Err() error { return cmp.Or(t.parent.Err(), t.Context.Err()) }

// Apart runs f on a goroutine of its own and waits for it. A goroutine keeps the stack that it once needed (the runtime halves one
// only while three quarters of it are unused), so that what thousands of idle goroutines do deep down once in a while is better done on stacks
// that go away.
func Apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
