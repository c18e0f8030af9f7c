//go:build linux

package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// gap is how long a resource may be without a connection, or have one that it should not have, and all still count as calm: as
	// long as a planned move takes on a busy machine.
	gap = 500 * time.Millisecond
	// steady is how long it must have been calm.
	steady = time.Second
)

// untilCalm returns once it has been calm for a while, and for at least as long as least since a moment. What takes longer than bound
// counts as a violation, and is waited for no longer.
func (c *campaign) untilCalm(what string, since time.Time, least, bound time.Duration) error {
	took, err := c.calmAfter(since, least, bound)
	if err != nil {
		err = fmt.Errorf("after %s: not within %v: %w", what, bound, err)
		c.violated(checkCalm, err)
		return err
	}
	c.say("calm %v after %s (bound %v)", took.Round(10*time.Millisecond), what, bound)
	return nil
}

// calmAfter returns how long after a moment it was last not calm.
func (c *campaign) calmAfter(since time.Time, least, bound time.Duration) (took time.Duration, err error) {
	clear(c.since)
	c.looked = since
	for {
		trouble := c.trouble()
		now := time.Since(since)
		if trouble != nil {
			took = now
		}
		switch {
		case trouble != nil && now > bound:
			return took, trouble
		case now-took >= steady && now >= least:
			return took, nil
		case c.ctx.Err() != nil:
			return took, c.ctx.Err()
		}
		c.tick()
	}
}

// trouble says what isn't as it should be, and hasn't been for longer than a gap.
func (c *campaign) trouble() error {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	client, err := c.well()
	if err != nil {
		return err
	}
	c.fleet.Client = client
	claims, err := c.fleet.Claims(ctx)
	if err != nil {
		return err
	}
	wrong := map[string]string{}
	for _, id := range c.base() {
		wrong[id] = fmt.Sprintf("it has no connection; its claim is %+v", claims[key(id)])
	}
	for _, conn := range c.shown() {
		claim, claimed := claims[key(conn.Resource)]
		switch _, ours := wrong[conn.Resource]; {
		case claimed && claim.Epoch == conn.Epoch && ours:
			delete(wrong, conn.Resource)
		default:
			wrong[conn.Resource] = fmt.Sprintf("it has a connection under epoch %d, and its claim is %+v", conn.Epoch, claim)
		}
	}
	return c.lasting(wrong)
}

// lasting tells of what has been wrong for longer than a gap: since it was last seen not to be.
func (c *campaign) lasting(wrong map[string]string) error {
	now := time.Now()
	maps.DeleteFunc(c.since, func(id string, _ time.Time) bool { _, still := wrong[id]; return !still })
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		if c.since[id].IsZero() {
			c.since[id] = c.looked
		}
		if now.Sub(c.since[id]) > gap {
			errs = append(errs, fmt.Errorf("%s: %s", id, wrong[id]))
		}
	}
	c.looked = now
	if len(errs) > 5 {
		errs = append(errs[:5], fmt.Errorf("and %d more", len(errs)-5))
	}
	return errors.Join(errs...)
}

// well returns a client of a member that is well.
func (c *campaign) well() (*clientv3.Client, error) {
	for i, client := range c.clients {
		if !c.ill[i] {
			return client, nil
		}
	}
	return nil, errors.New("no member of etcd is well")
}
