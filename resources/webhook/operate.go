package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/state"
)

// Errors that whoever operates branches on.
var (
	ErrNoEvent = errors.New("no such event")
	// ErrWrong: what is asked for makes no sense.
	ErrWrong = errors.New("this can't be asked of a webhook")
	// ErrRefused: the holder says that it can't be done, and why.
	ErrRefused = errors.New("its holder did not do it")
)

// Operator shows what became of the events of webhooks, and has their holders send or forget some. It needs nothing but the store, so that it
// works from anywhere. All methods may be called concurrently.
type Operator struct{ store *lease.Store }

// NewOperator returns an Operator.
func NewOperator(store *lease.Store) *Operator { return &Operator{store} }

// Look returns what is on record of a webhook; cluster.ErrNoResource when there is none and nothing is.
func (o *Operator) Look(ctx context.Context, id string) (Deliveries, error) {
	d, err := o.load(ctx, id)
	if err != nil {
		return d, err
	}
	if len(d.Topics) > 0 {
		d.Backlog = new(int)
	}
	err = events.List(ctx, o.store, d.Topics, func(l events.Listed) error {
		if l.At.Compare(d.at) > 0 {
			*d.Backlog++
		}
		return nil
	})
	return d, err
}

// load is Look without the backlog.
func (o *Operator) load(ctx context.Context, id string) (Deliveries, error) {
	k := cluster.Key{Kind: Kind, ID: id}
	records, err := state.Load(ctx, o.store, k)
	if err != nil {
		return Deliveries{}, err
	}
	l, err := readLedger(records)
	if err == nil && len(records) == 0 {
		var spec []cluster.Record
		if spec, err = o.store.Read(ctx, cluster.ResourcePath(k)); err == nil && spec[0].Deleted {
			err = fmt.Errorf("look at %s: %w", k, cluster.ErrNoResource)
		}
	}
	return deliveries(l), err
}

// Carry has the holder do what is planned and returns to how many events that was done; of a log that is read again that is not known. It blocks
// until all is on record or ctx ends: then the error is state.ErrUnanswered and says who holds the webhook. ErrRefused comes with the
// holder's reason. What was done before an error stays done.
func (o *Operator) Carry(ctx context.Context, p *Plan) (done int, err error) {
	k := cluster.Key{Kind: Kind, ID: p.id}
	for _, a := range p.asks {
		rev, err := state.Request(ctx, o.store, k, a)
		if err != nil {
			return done, err
		}
		said, err := o.answer(ctx, k, rev)
		switch {
		case err != nil:
			return done, err
		case said.Error != "":
			return done, fmt.Errorf("%w: %s", ErrRefused, said.Error)
		}
		done += said.Events
	}
	return done, nil
}

// answer reads what the holder has said to an ask that it has done.
func (o *Operator) answer(ctx context.Context, k cluster.Key, rev int64) (answer, error) {
	found, err := o.store.Read(ctx, cluster.StatePath(k, cursorName))
	if err != nil {
		return answer{}, fmt.Errorf("read what was done with %s: %w", k, err)
	}
	var c cursor
	if err := json.Unmarshal(found[0].Value, &c); !found[0].Deleted && err == nil {
		for _, a := range c.Answers {
			if a.Rev == rev {
				return a, nil
			}
		}
	}
	return answer{}, fmt.Errorf("read what was done with %s: its holder has deleted what was asked and tells nothing of it; look at it again", k)
}
