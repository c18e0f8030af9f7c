package clustertest

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	askEvery = 250 * time.Millisecond // how often a follower asks how far the store is
	patience = time.Second            // how long it waits for a listing before it asks again
)

// Follow is as cluster.Store says. After ErrRestored, following anew accepts the store as it is now.
func (c *Client) Follow(ctx context.Context, out chan<- cluster.Batch) error {
	var f *follower
	c.store.do(func(cluster.Instant) {
		c.life = c.store.life
		f = &follower{client: c, life: c.life, relistAt: never}
		f.forget()
	})
	for {
		batch, next, changed, err := f.step()
		if err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		if batch == nil {
			if err := c.store.sleep(ctx, next, changed); err != nil {
				return fmt.Errorf("follow: %w", err)
			}
			continue
		}
		select {
		case out <- *batch:
		case <-ctx.Done():
			return fmt.Errorf("follow: %w", ctx.Err())
		}
	}
}

// follower is one Follow. What is to be delivered stands in line: changes, pages of a listing and, in between, the
// store's answers to "how far are you?". As such an answer takes its place in the line when it is given, all that was
// committed before it was asked for stands before it: that is what makes Fresh true, however late the line is.
type follower struct {
	client *Client
	life   int // of the store when it began

	listed  bool  // the first listing, or the one after a compaction, has been delivered
	told    int64 // every revision up to here has been delivered
	taken   int64 // and up to here stands in line
	line    []parcel
	listing int             // the number of the listing waited for; pages of another are void
	fresh   cluster.Instant // the newest delivered

	listAt, relistAt, askAt cluster.Instant // when to do so next
}

// parcel is one thing in line.
type parcel struct {
	due   cluster.Instant
	batch cluster.Batch
}

// step brings the follower up to date and returns what is to be delivered, or how long to wait.
func (f *follower) step() (batch *cluster.Batch, next cluster.Instant, changed <-chan struct{}, err error) {
	c, m := f.client, f.client.store
	m.do(func(now cluster.Instant) {
		next, changed = never, m.changed
		switch {
		case m.frozen > now:
			next = m.frozen
			return
		case c.network.CutAnswers || c.network.StallWatch:
			next = m.due()
			return
		case m.life != f.life:
			err = cluster.ErrRestored
			return
		case f.listed && m.state.compacted > f.told:
			f.forget()
		}
		f.ask(now)
		m.settle(now) // a perfect connection answers at once
		f.queue()
		batch, next = f.deliver(now)
		next, changed = min(next, m.due()), m.changed
	})
	return batch, next, changed, err
}

// forget makes the follower list from scratch.
func (f *follower) forget() {
	f.listed, f.listAt, f.relistAt = false, 0, never
	f.line = nil
	f.taken = int64(never) // nothing is taken before the listing says from where on
}

// ask sends off what is to be asked of the store by now.
func (f *follower) ask(now cluster.Instant) {
	c := f.client
	if f.relistAt == never && c.network.Relist != (Span{}) {
		f.relistAt = now.Add(c.network.Relist.draw(c.rng))
	}
	switch {
	case !f.listed && now >= f.listAt:
		f.listAt = now.Add(patience)
		f.list(now)
	case f.listed && now >= f.relistAt:
		f.relistAt = now.Add(patience)
		f.list(now)
	case f.listed && now >= f.askAt:
		f.askAt = now.Add(askEvery)
		f.askHowFar(now)
	}
}

func (f *follower) askHowFar(now cluster.Instant) {
	c := f.client
	asked := c.clock.at(now)
	f.send(now, func(at cluster.Instant) {
		if f.listed {
			f.queue()
			f.stand(at, c.network.Watch, cluster.Batch{Rev: c.store.state.rev, Fresh: asked})
		}
	})
}

// list asks for a listing. Its pages take their place in line after every change that they include.
func (f *follower) list(now cluster.Instant) {
	c, m := f.client, f.client.store
	f.listing++
	n, asked := f.listing, c.clock.at(now)
	f.send(now, func(at cluster.Instant) {
		if n != f.listing {
			return
		}
		f.listing++ // a second arrival is void
		f.queue()
		if !f.listed {
			f.taken = m.state.rev
		}
		for _, page := range f.pages(asked) {
			f.stand(at, c.network.Answer, page)
		}
	})
}

// pages lists the control range, in no order.
func (f *follower) pages(asked cluster.Instant) []cluster.Batch {
	c, m := f.client, f.client.store
	records := m.state.list(controlled)
	c.rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	var pages []cluster.Batch
	for size := max(1, m.settings.Page); len(records) > size; records = records[size:] {
		pages = append(pages, cluster.Batch{Records: records[:size:size], Rev: m.state.rev, Listing: true})
	}
	return append(pages, cluster.Batch{Records: records, Rev: m.state.rev, Listing: true, Complete: true, Fresh: asked})
}

// send sends a request whose answer comes by the line.
func (f *follower) send(now cluster.Instant, serve func(at cluster.Instant)) {
	request := &flight[struct{}]{client: f.client, due: never, serve: func(at cluster.Instant) (struct{}, cluster.Instant) {
		serve(at)
		return struct{}{}, 0
	}}
	request.depart(now)
}

// queue puts the changes of which the follower has not heard in line.
func (f *follower) queue() {
	for _, change := range f.client.store.state.since(f.taken) {
		f.taken = change.rev
		f.stand(change.at, f.client.network.Watch, cluster.Batch{Records: change.records, Rev: change.rev})
		f.overtake()
	}
}

// stand puts a batch at the end of the line.
func (f *follower) stand(at cluster.Instant, delay Span, batch cluster.Batch) {
	f.line = append(f.line, parcel{due: at.Add(delay.draw(f.client.rng)), batch: batch})
}

// overtake lets the last in line, a change, go before some pages of a background listing: they don't include it, and a
// real listing takes its time while changes go on.
func (f *follower) overtake() {
	for i := len(f.line) - 1; f.listed && i > 0 && f.line[i-1].batch.Listing && f.client.chance(0.5); i-- {
		f.line[i-1], f.line[i] = f.line[i], f.line[i-1]
	}
}

// deliver takes from the line what is due: one page, or all changes up to the next page, in one batch.
func (f *follower) deliver(now cluster.Instant) (batch *cluster.Batch, next cluster.Instant) {
	var b cluster.Batch
	for len(f.line) > 0 && f.line[0].due <= now && !b.Listing {
		p := f.line[0].batch
		if p.Listing && (len(b.Records) > 0 || b.Fresh > 0) {
			break
		}
		f.line = f.line[1:]
		b.Records = append(b.Records, p.Records...)
		b.Rev, b.Listing, b.Complete = p.Rev, p.Listing, p.Complete
		if p.Fresh > f.fresh {
			f.fresh, b.Fresh = p.Fresh, p.Fresh
		}
		f.account(p)
	}
	if len(b.Records) > 0 || b.Fresh > 0 || b.Listing {
		return &b, now
	}
	next = min(f.askAt, f.relistAt)
	if !f.listed {
		next = f.listAt
	}
	if len(f.line) > 0 {
		next = min(next, f.line[0].due)
	}
	return nil, next
}

// account notes what a batch has told.
func (f *follower) account(b cluster.Batch) {
	switch {
	case !b.Listing:
		f.told = b.Rev
	case b.Complete:
		f.listed, f.told, f.relistAt = true, max(f.told, b.Rev), never
	}
}
