package clustertest

import (
	"context"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// flight is a request on its way to the store, or its answer on the way back. The store's lock guards it.
type flight[A any] struct {
	client *Client
	// serve does in the store what is asked for, or says when to ask again.
	serve  func(at cluster.Instant) (answer A, again cluster.Instant)
	due    cluster.Instant // when it reaches where it is going; never: it is lost
	served bool
	landed bool
	answer A
}

// call sends one request and waits for its answer or the end of ctx.
func call[A any](ctx context.Context, c *Client, serve func(at cluster.Instant) (A, error)) (answer A, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	type outcome struct {
		answer A
		err    error
	}
	f := send(c, func(at cluster.Instant) (outcome, cluster.Instant) {
		answer, err := serve(at)
		return outcome{answer, err}, 0
	})
	if err := await(ctx, c, []*flight[outcome]{f}, func(int, outcome) {}); err != nil {
		return answer, err
	}
	return f.answer.answer, f.answer.err
}

// send puts a request on its way.
func send[A any](c *Client, serve func(at cluster.Instant) (A, cluster.Instant)) *flight[A] {
	f := &flight[A]{client: c, serve: serve, due: never}
	c.store.do(f.depart)
	return f
}

// depart draws what becomes of a request.
func (f *flight[A]) depart(now cluster.Instant) {
	n := &f.client.network
	if n.CutRequests || f.client.chance(n.LoseRequests) {
		return
	}
	arrivals := 1
	if f.client.chance(n.Duplicate) {
		arrivals = 2
	}
	for range arrivals {
		due := now.Add(f.client.delay(n.Request, n.SlowRequests))
		f.client.store.agenda.add(due, f.arrive)
		f.due = min(f.due, due)
	}
}

// arrive serves the request. Of a second arrival nothing is told.
func (f *flight[A]) arrive(at cluster.Instant) {
	n := &f.client.network
	answer, again := f.serve(at)
	switch {
	case f.served:
	case again != 0:
		f.due = again
		f.client.store.agenda.add(again, f.arrive)
	case f.client.chance(n.LoseAnswers):
		f.served, f.due = true, never
	default:
		f.served, f.answer, f.due = true, answer, at.Add(f.client.delay(n.Answer, n.SlowAnswers))
	}
}

// await calls got with every answer as it arrives, one call at a time, until all have arrived or ctx ends.
func await[A any](ctx context.Context, c *Client, flights []*flight[A], got func(i int, answer A)) error {
	for landed := 0; landed < len(flights); {
		i, next, err := land(c, flights)
		if err != nil {
			return err
		}
		if i >= 0 {
			got(i, flights[i].answer)
			landed++
			continue
		}
		if err := c.store.sleep(ctx, next, nil); err != nil {
			return err
		}
	}
	return nil
}

// land takes an answer that has arrived, or tells when to look again.
func land[A any](c *Client, flights []*flight[A]) (landed int, next cluster.Instant, err error) {
	landed, next = -1, never
	c.store.do(func(now cluster.Instant) {
		for i, f := range flights {
			switch {
			case f.landed:
			case !f.served:
				next = min(next, max(f.due, c.store.frozen))
			case f.due > now:
				next = min(next, f.due)
			case c.network.CutAnswers:
				f.due = never
			default:
				f.landed, landed = true, i
				if c.life != c.store.life {
					err = cluster.ErrRestored
				}
				return
			}
		}
	})
	return landed, next, err
}

// chance draws whether something that happens in a share of cases happens now.
func (c *Client) chance(share float64) bool { return c.rng.Float64() < share }

// delay draws how long something takes, of which a share is slow.
func (c *Client) delay(usual Span, slow float64) time.Duration {
	d := usual.draw(c.rng)
	if c.chance(slow) {
		d += c.network.Slow.draw(c.rng)
	}
	return d
}
