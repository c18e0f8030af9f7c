package events

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Errors of publishing that a caller branches on, beside cluster.ErrRefused.
var (
	// ErrInvalid: there can be no such event.
	ErrInvalid = errors.New("the event is invalid")
	// ErrTooLarge: it is larger than MaxBytes.
	ErrTooLarge = errors.New("the event is too large")
	// ErrConflict: another event has its ID.
	ErrConflict = errors.New("another event of this topic has this id")
)

// Receipt is what became of one event that was to be published.
type Receipt struct {
	ID        string // given by us if the publisher gave none
	At        Position
	Duplicate bool  // it was published before, with the same content: nothing was written
	Err       error // why it was not published
}

// Publisher writes events. All methods may be called concurrently.
type Publisher struct {
	store     *lease.Store
	retention *retention
}

// NewPublisher returns a publisher. It needs neither Run nor Close.
func NewPublisher(store *lease.Store) *Publisher {
	return &Publisher{store: store, retention: newRetention(store)}
}

// CheckTopic says what is wrong with the name of a topic.
func CheckTopic(name string) error {
	if !validTopic(name) {
		return fmt.Errorf("%w: its topic is %q; it must have 1 to %d letters, digits and . _ -", ErrInvalid, name, maxTopic)
	}
	return nil
}

// draft is an event on its way into etcd.
type draft struct {
	receipt *Receipt
	path    string
	value   []byte
	anyTime bool // its time is ours, so that another attempt of the publisher has another
	unknown bool // it was sent, and nobody knows what became of it
}

const (
	maxRequest         = 1 << 20 // bytes of a request, unless a single event is larger
	minPause, maxPause = 50 * time.Millisecond, time.Second
)

// Publish writes events, and returns a receipt for each, in their order, when etcd has committed them. Those that are published together
// keep their order within a topic. An event whose ID is taken by the same one is a Duplicate, so whoever does not know whether
// it was published says it again with the same ID. While etcd does not answer it goes on trying until ctx ends.
func (p *Publisher) Publish(ctx context.Context, es []Event) []Receipt {
	receipts := make([]Receipt, len(es))
	var group []*draft
	size, last := 0, map[string]string{}
	send := func() {
		p.commit(ctx, group)
		group, size = nil, 0
		clear(last)
	}
	for i, e := range es {
		d, err := newDraft(e, &receipts[i])
		if err != nil {
			receipts[i].Err = err
			continue
		}
		// Those of one request share a revision, so that there their IDs decide what comes first.
		if len(group) == cluster.MaxCommit || size+len(d.value) > maxRequest || d.path <= last[e.Topic] {
			send()
		}
		group, size, last[e.Topic] = append(group, d), size+len(d.value), d.path
	}
	send()
	return receipts
}

func newDraft(e Event, r *Receipt) (*draft, error) {
	if e.ID == "" {
		e.ID = newID()
	}
	if err := CheckTopic(e.Topic); err != nil {
		return nil, err
	}
	if !validID(e.ID) {
		return nil, fmt.Errorf("%w: its id is %q; it must be 1 to %d letters, digits, - and _", ErrInvalid, e.ID, maxID)
	}
	r.ID = e.ID
	d := &draft{receipt: r, path: Root + e.Topic + "/" + e.ID, anyTime: e.Time.IsZero()}
	if d.anyTime {
		e.Time = time.Now()
	}
	var err error
	d.value, err = encode(e)
	return d, err
}

// newest is the time in the last ID that was made here.
var newest atomic.Int64

// newID returns an ID that comes after all that were made here before, so that events published together stay in order.
func newID() string {
	for {
		before := newest.Load()
		now := max(time.Now().UnixNano(), before+1)
		if newest.CompareAndSwap(before, now) {
			return fmt.Sprintf("evt_%013s%s", strconv.FormatInt(now, 36), strings.ToLower(rand.Text()[:12]))
		}
	}
}

// commit writes drafts, no two of them of one key, until it is known of each what became of it, or ctx ends.
func (p *Publisher) commit(ctx context.Context, group []*draft) {
	for wait := minPause; len(group) > 0; wait = min(2*wait, maxPause) {
		on, err := p.retention.take(ctx, len(group))
		var answer cluster.Answer
		if err == nil {
			answer, err = p.store.Commit(ctx, ops(group, on))
		}
		switch {
		case err == nil:
			for i, d := range group {
				d.judge(answer.Results[i], answer.Rev)
			}
			return
		case errors.Is(err, cluster.ErrLeaseNotFound):
			p.retention.lost(on)
		case errors.Is(err, cluster.ErrRefused) && len(group) > 1:
			// One of them may be what etcd refuses; the others are not to suffer for it.
			for _, d := range group {
				p.commit(ctx, []*draft{d})
			}
			return
		case errors.Is(err, cluster.ErrRefused) && !group[0].unknown, ctx.Err() != nil:
			for _, d := range group {
				d.receipt.Err = fmt.Errorf("publish event %s: %w", d.receipt.ID, err)
			}
			return
		default:
			for _, d := range group {
				d.unknown = true
			}
		}
		pause(ctx, wait)
	}
}

func ops(group []*draft, on cluster.LeaseID) []cluster.Op {
	all := make([]cluster.Op, len(group))
	for i, d := range group {
		all[i] = cluster.Op{If: []cluster.Guard{{Path: d.path}}, Path: d.path, Value: d.value, Lease: on}
	}
	return all
}

// judge fills in the receipt.
func (d *draft) judge(result cluster.Result, rev int64) {
	name := strings.TrimPrefix(d.path, Root)
	if result.Done {
		d.receipt.At = Position{Rev: rev, Name: name}
		return
	}
	found := result.Read[0]
	d.receipt.At = Position{Rev: found.Rev, Name: name}
	switch {
	case !same(found.Value, d.value, d.anyTime):
		d.receipt.Err = fmt.Errorf("publish event %s: %w; give it another, or none", d.receipt.ID, ErrConflict)
	case !d.unknown:
		d.receipt.Duplicate = true
	}
}
