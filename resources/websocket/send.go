package websocket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// Why a message can't be sent now.
var (
	ErrNotHeld      = errors.New("the resource is not held here")
	ErrNotConnected = errors.New("the websocket is not connected")
	ErrBusy         = errors.New("more is to be sent than send_rate allows")
)

// sendPatience is how long a message waits for its turn by send_rate.
const sendPatience = 5 * time.Second

func (r *Runner) enter(h *hold) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[h.key.ID] = h
}

func (r *Runner) leave(h *hold) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[h.key.ID] == h {
		delete(r.held, h.key.ID)
	}
}

// Send writes one message to the websocket of a resource that this node holds, and returns under which epoch once it is written to the
// connection: whether the other side got it only its answer can tell. It waits for a turn by the spec's send_rate, for 5 s at most and
// while ctx lasts. Its errors wrap ErrNotHeld, ErrNotConnected or ErrBusy when nothing was sent. It may be called concurrently.
func (r *Runner) Send(ctx context.Context, id string, data []byte, binary bool) (epoch int64, err error) {
	r.mu.Lock()
	h := r.held[id]
	r.mu.Unlock()
	if h == nil {
		return 0, ErrNotHeld
	}
	s := h.live.Load()
	if s == nil {
		return 0, ErrNotConnected
	}
	if h.pace != nil {
		ctx, cancel := context.WithTimeout(ctx, sendPatience)
		defer cancel()
		if err := h.pace.Wait(ctx); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrBusy, err)
		}
	}
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	if err := s.write(kind, data); err != nil {
		s.fail(end(paceBackoff, "send: %w", err))
		return 0, fmt.Errorf("send: %w; it may have been sent in part", err)
	}
	return h.epoch, nil
}
