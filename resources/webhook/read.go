package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// fetched is what reading the log came to.
type fetched struct {
	events []events.Event
	err    error
}

// begin has the log read from where it is taken up to.
func (h *hold) begin() {
	h.source.Seek(h.lane.at)
	h.reading, h.stopReading = context.WithCancel(h.ctx)
}

// read has the log read on, beside everything else, if there is room for more.
func (h *hold) read(now time.Time) {
	if !now.Before(h.unreadAgain) {
		h.unreadAgain = time.Time{}
	}
	if h.lane.rewound {
		h.stopReading()
	}
	if h.fetching {
		return
	}
	if h.lane.rewound {
		h.begin()
		h.lane.rewound = false
	}
	if !h.lane.hungry() || !h.unreadAgain.IsZero() {
		return
	}
	h.fetching = true
	h.group.Go(func() {
		es, err := h.source.Next(h.reading, 4*h.spec.Concurrency)
		h.fetched <- fetched{es, err}
	})
}

// take takes in what was read from the log.
func (h *hold) take(f fetched) error {
	h.fetching = false
	switch {
	case h.lane.rewound || f.err != nil && resources.Cause(h.ctx) != nil:
		return nil // it will be read again
	case errors.Is(f.err, events.ErrClosed):
		return fmt.Errorf("read events: %w", f.err)
	case errors.Is(f.err, events.ErrGap), errors.Is(f.err, events.ErrAnother):
		h.logged().Error("events are lost to this webhook", "err", f.err)
		h.meter.Gap()
		h.missed = fmt.Errorf("deliver: %w", f.err)
		if errors.Is(f.err, events.ErrAnother) {
			h.lane.restart()
		}
		return nil
	case f.err != nil:
		h.unread = f.err
		h.unreadAgain = time.Now().Add(h.patience.Next(0))
		h.logged().Warn("events can't be read; trying again", "in", time.Until(h.unreadAgain).Round(time.Millisecond), "err", f.err)
		return nil
	}
	h.unread = nil
	h.patience.Reset()
	for _, e := range f.events {
		h.sort(e, time.Now())
	}
	return nil
}

// sort decides whether an event is to be delivered, and in order with which.
func (h *hold) sort(e events.Event, now time.Time) {
	if h.lane.known(e) {
		return
	}
	wanted, err := h.spec.wants(&e)
	var key string
	if err == nil && wanted && h.spec.Ordering == orderKey {
		key, err = h.spec.orderOf(&e)
	}
	switch {
	case err != nil:
		h.lane.reject(e, err, now)
	case wanted:
		h.lane.take(e, key, now)
	default:
		h.lane.skip(e, now)
	}
}

// settled tells the log of what it need not keep for this webhook.
func (h *hold) settled(refs []string) {
	if len(refs) > 0 {
		h.group.Go(func() { h.source.Settled(refs) })
	}
}
