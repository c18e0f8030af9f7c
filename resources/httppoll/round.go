package httppoll

import (
	"errors"
	"fmt"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// atOnce is how many items are handed to the sink, and put on record, together: of a list of a million, those that were delivered before a crash
// are not delivered again.
const atOnce = 1000

// round is one poll.
type round struct {
	*hold
	began    time.Time
	record   record          // to be kept when all went well
	known    map[uint64]bool // as window.known has it
	messages []sink.Message  // for the sink
	seen     []uint64        // to be remembered when the sink has taken them
	listed   int
	asked    time.Duration // as of a pull.Answer
	partial  error         // why not all that there was came through
}

func (h *hold) newRound(began time.Time) *round {
	r := &round{hold: h, began: began, record: h.record}
	r.record.At = began.UTC().Truncate(time.Second)
	return r
}

// run asks for one page after the other. The error is a *pull.Trouble where polling again may help.
func (r *round) run() error {
	to, err := r.spec.start(r.record.Cursor)
	if err != nil {
		return err
	}
	var v pull.Validators
	switch asked := r.spec.asked(to.String()); {
	case r.record.Asked != asked:
		r.record.Asked, r.record.Print, r.record.Validators = asked, "", pull.Validators{}
	case r.spec.Pagination.Type == pagesNone: // the first page says nothing of those behind it
		v = r.record.Validators
	}
	way := &way{spec: r.spec, from: to, visited: map[string]bool{to.String(): true}}
	for number := 1; to != nil; number++ {
		a, err := r.puller.Get(r.ctx, to.String(), v)
		if err != nil {
			return err
		}
		r.asked = max(r.asked, a.Asked)
		if a.Unchanged {
			break
		}
		if number == 1 {
			r.record.Validators = a.Validators
		}
		if to, err = r.page(a, number, way); err != nil {
			return err
		}
	}
	if r.listed > (r.spec.Dedupe.Max+1)/2 {
		r.spoil(fmt.Errorf("it listed %d items; dedupe.max must be twice that, or some come again", r.listed))
	}
	if err := r.send(); err != nil {
		return err
	}
	var seen []state.Change
	now := time.Now()
	if r.known != nil {
		seen = r.window.add(r.seen, now, true)
	}
	return r.keep(r.record, seen, now)
}

// page takes one page, and returns where the next one is, nil if this was the last. What it held is delivered, and on record, before another
// page is asked for, or an error returned.
func (r *round) page(a *pull.Answer, number int, w *way) (next *url.URL, err error) {
	p, err := r.spec.read(a, number, r.record.Cursor)
	if err != nil {
		return nil, unread(a, err)
	}
	if err := r.take(p); err != nil {
		return nil, err
	}
	if !r.spec.Cursor.Extract.Empty() {
		value, failed := r.spec.Cursor.Extract.Eval(p.answer)
		cursor, ok := text(value)
		switch {
		case failed != nil:
			err = unread(a, fmt.Errorf("evaluate cursor.extract: %w", failed))
		case !ok:
			err = unread(a, errors.New("evaluate cursor.extract: it is neither text nor a number"))
		case cursor != "":
			r.record.Cursor = cursor
		}
	}
	if err == nil {
		if next, err = w.next(a, p); err != nil {
			err = unread(a, err)
		}
		r.spoil(w.cut)
	}
	if err == nil && next == nil {
		return nil, nil
	}
	if err := r.flush(); err != nil {
		return nil, err
	}
	return next, err
}

// unread is the trouble of an answer that can't be made sense of.
func unread(a *pull.Answer, err error) error {
	return &pull.Trouble{
		State: resources.StateBackingOff, Asked: a.Asked, Err: fmt.Errorf("poll %s: %w", resources.RedactURL(a.URL.String()), err),
	}
}

// take has delivered of a page what the spec wants.
func (r *round) take(p *page) error {
	switch r.spec.Emit {
	case emitItems:
		return r.takeItems(p)
	case emitChanged:
		as, err := r.spec.print(p)
		if err != nil || as == r.record.Print {
			return err
		}
		r.record.Print = as
		r.record.Changes++
		return r.message(p, p.Data, p.body, fmt.Sprintf("%d-%s", r.record.Changes, as))
	}
	return r.message(p, p.Data, p.body, fmt.Sprintf("%d-%d", r.claim.Epoch, r.seq+1))
}

func (r *round) takeItems(p *page) error {
	if r.known == nil {
		r.known = r.window.known(r.began)
	}
	for _, item := range p.Items {
		id, err := r.spec.idOf(p, item)
		if err != nil {
			return err
		}
		r.listed++
		name := brief(id)
		again, old := r.known[name]
		if !old || again {
			r.known[name] = false
			r.seen = append(r.seen, name)
		}
		if old {
			continue
		}
		if err := r.message(p, item, nil, id); err != nil {
			return err
		}
		if len(r.seen) >= atOnce {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// message adds a message for the sink if the filter wants it. raw is its data if that is not data's JSON. One that the expressions of the
// spec can't be evaluated on is dropped: it would be so the next time, too.
func (r *round) message(p *page, data any, raw []byte, id string) error {
	r.o.Meter.Receive(Kind)
	m := sink.Message{
		ID: id, Source: "drm/" + r.claim.Key.String(), Type: "drm.http_poll.item", Time: time.Now(), Epoch: r.claim.Epoch, Node: r.claim.Node,
	}
	if raw != nil {
		m.Type, m.Data, m.Binary = "drm.http_poll.body", raw, !utf8.Valid(raw)
	}
	terms := p.thing(data, id)
	wanted, err := true, error(nil)
	if !r.spec.Filter.Empty() {
		if wanted, err = r.spec.Filter.Eval(terms); err != nil {
			err = fmt.Errorf("evaluate filter: %w", err)
		}
	}
	switch {
	case err != nil || !wanted:
	case !r.spec.Transform.Empty():
		m.Binary = false
		if data, err = r.spec.Transform.Eval(terms); err == nil {
			m.Data, err = resources.EncodeJSON(data)
		}
		if err != nil {
			err = fmt.Errorf("evaluate transform: %w", err)
		}
	case raw == nil:
		m.Data, err = resources.EncodeJSON(data)
	}
	if err != nil {
		r.o.Meter.Drop(Kind, resources.DropExpression, 1)
		r.spoil(fmt.Errorf("%q was dropped: %w", id, err))
		return nil
	}
	if wanted {
		r.seq++
		m.Seq = r.seq
		r.messages = append(r.messages, m)
	}
	return nil
}

// spoil notes why not all that there was came through; the first reason counts.
func (r *round) spoil(why error) {
	if r.partial == nil {
		r.partial = why
	}
}

// flush delivers what is there, and has it remembered.
func (r *round) flush() error {
	if err := r.send(); err != nil {
		return err
	}
	changes := r.window.add(r.seen, time.Now(), false)
	r.seen = r.seen[:0]
	if len(changes) == 0 {
		return nil
	}
	return r.kept.Write(r.claim.Held, changes...)
}

// send hands messages to the sink, which may take as long as it likes: nothing is asked for meanwhile.
func (r *round) send() error {
	if len(r.messages) == 0 {
		return nil
	}
	err := r.sink.Send(r.ctx, r.messages)
	clear(r.messages) // let go of the data
	r.messages = r.messages[:0]
	var refused *sink.RefusedError
	if errors.As(err, &refused) {
		r.o.Meter.Drop(Kind, resources.DropRefused, refused.Messages)
		r.spoil(err)
		return nil
	}
	return err
}
