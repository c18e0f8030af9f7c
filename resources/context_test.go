package resources

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// clocked is a context whose Err knows that it is over before its Done does.
type clocked struct {
	context.Context
	err error
}

func (c *clocked) Err() error { return c.err }

// A limit in time takes nothing from what the parent knows. Seen to fail with context.WithTimeoutCause itself.
func TestWithTimeoutAsksTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, late := &clocked{Context: t.Context()}, errors.New("late")
		ctx, cancel := WithTimeout(parent, time.Minute, late)
		defer cancel()
		if err := Cause(ctx); err != nil {
			t.Error(err)
		}
		parent.err = errors.New("over")
		if err := Cause(ctx); !errors.Is(err, parent.err) {
			t.Errorf("%v", err)
		}
		parent.err = nil
		<-ctx.Done()
		if err := Cause(ctx); !errors.Is(err, late) || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("%v, %v", err, ctx.Err())
		}
	})
}
