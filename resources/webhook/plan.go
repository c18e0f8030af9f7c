package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/nearest"
)

// Choice says which events are meant: some by name, all in a state, or, to replay, all that was published after a position or since a time.
// One of these is set.
type Choice struct {
	Events []string // ids, topic/id, or refs
	All    State
	After  *events.Position
	Since  time.Time
}

// Plan is what is to be asked of a webhook's holder.
type Plan struct {
	Do     Action     `json:"do"`
	Events []Delivery `json:"events"` // that are to be replayed or dropped; those delivered before have no State
	// After is the position from which the log is read again, instead; Again is how many events of the topics lie between there and the cursor.
	After string `json:"after,omitempty"`
	Again int    `json:"again,omitempty"`

	id   string
	asks []Ask
}

// Plan finds the events that are chosen. It asks for nothing. Errors are ErrWrong and ErrNoEvent, beside those of Look.
func (o *Operator) Plan(ctx context.Context, id string, do Action, c Choice) (*Plan, error) {
	if err := c.check(do); err != nil {
		return nil, err
	}
	d, err := o.load(ctx, id)
	if err != nil {
		return nil, err
	}
	p := &Plan{Do: do, Events: []Delivery{}, id: id}
	switch {
	case c.All != "":
		p.asks = []Ask{{Do: do, All: c.All}}
		for _, e := range d.Events {
			if e.State == c.All {
				p.Events = append(p.Events, e)
			}
		}
		return p, nil
	case len(c.Events) > 0:
		return p, o.find(ctx, p, d, c.Events)
	case c.After == nil && len(d.Topics) == 0:
		return nil, fmt.Errorf("%w: its events do not lie in etcd, so that a time can't be found among them; name a position", ErrWrong)
	case c.After == nil:
		after, err := events.Since(ctx, o.store, d.Topics, c.Since)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrWrong, err)
		}
		c.After = &after
	}
	p.After, p.asks = c.After.String(), []Ask{{Do: do, After: c.After}}
	return p, events.List(ctx, o.store, d.Topics, func(l events.Listed) error {
		if l.At.Compare(*c.After) > 0 && l.At.Compare(d.at) <= 0 {
			p.Again++
		}
		return nil
	})
}

// check says what is wrong with a choice.
func (c Choice) check(do Action) error {
	said := 0
	for _, is := range []bool{len(c.Events) > 0, c.All != "", c.After != nil, !c.Since.IsZero()} {
		if is {
			said++
		}
	}
	switch {
	case do != Replay && do != Drop:
		return fmt.Errorf("%w: %q is neither replay nor drop", ErrWrong, do)
	case said != 1:
		return fmt.Errorf("%w: name events, or say all in a state, or from where in the log on: one of these", ErrWrong)
	case c.All != "" && c.All.dir() == "":
		return fmt.Errorf("%w: all that is %q; it must be %s, %s or %s", ErrWrong, c.All, Waiting, InDoubt, Dead)
	case do == Drop && (c.After != nil || !c.Since.IsZero()):
		return fmt.Errorf("%w: what is in the log can't be dropped, only what waits, is in doubt or dead", ErrWrong)
	}
	return nil
}

// find finds events by name: among those that are not settled and then, to replay, in the log.
func (o *Operator) find(ctx context.Context, p *Plan, d Deliveries, names []string) error {
	var missing []string
	for _, name := range names {
		found, err := oneOf(name, d.Events, func(e Delivery) string { return e.Event })
		switch {
		case err != nil:
			return err
		case found != nil:
			p.add(*found)
		default:
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	known := make([]string, 0, len(d.Events))
	for _, e := range d.Events {
		known = append(known, nameOf(e.Event))
	}
	if p.Do == Drop {
		return noSuch(missing[0], known, "what can be dropped waits, is in doubt or dead: see drm deliveries")
	}
	return o.findSettled(ctx, p, d, missing, known)
}

// findSettled finds events in the log that are settled. One that does not lie in etcd is the holder's to find, by its ref.
func (o *Operator) findSettled(ctx context.Context, p *Plan, d Deliveries, names, known []string) error {
	if len(d.Topics) == 0 {
		for _, name := range names {
			if _, _, _, err := events.ParseRef(name); err != nil {
				return noSuch(name, known, "it is not on record, and its events do not lie in etcd; name one that was delivered by its ref, as drm deliveries -o json shows it")
			}
			p.add(Delivery{Event: name})
		}
		return nil
	}
	logged := map[string][]events.Listed{}
	err := events.List(ctx, o.store, d.Topics, func(l events.Listed) error {
		for _, name := range names {
			if means(name, l.Ref()) {
				logged[name] = append(logged[name], l)
			}
		}
		if len(known) < mostKnown {
			known = append(known, nameOf(l.Ref()))
		}
		return nil
	})
	for _, name := range names {
		if err != nil {
			return err
		}
		var found *events.Listed
		if found, err = oneOf(name, logged[name], events.Listed.Ref); err == nil && found == nil {
			err = noSuch(name, known, "it is neither in the log nor on record")
		}
		switch {
		case err != nil:
			return err
		case found.At.Compare(d.at) > 0:
			return fmt.Errorf("replay event %s: %w yet: the webhook has not come to it, its log is taken up to %s", name, ErrNoEvent, d.Cursor)
		}
		p.add(Delivery{Event: found.Ref()})
	}
	return nil
}

// mostKnown is how many names are looked through for the one that was meant.
const mostKnown = 10_000

// noSuch says that there is no such event, and which may have been meant of those known, by topic/id.
func noSuch(name string, known []string, why string) error {
	hint := ""
	if !strings.Contains(name, "/") {
		for i := range known {
			_, known[i], _ = strings.Cut(known[i], "/")
		}
	}
	if meant := nearest.Name(name, known); meant != "" {
		hint = "; did you mean " + meant + "?"
	}
	return fmt.Errorf("find event %s: %w: %s%s", name, ErrNoEvent, why, hint)
}

// add has the plan ask for an event, once.
func (p *Plan) add(e Delivery) {
	if slices.ContainsFunc(p.asks, func(a Ask) bool { return a.Event == e.Event }) {
		return
	}
	p.Events = append(p.Events, e)
	p.asks = append(p.asks, Ask{Do: p.Do, Event: e.Event})
}

// oneOf returns the one that a name means; nil if there is none, and an error if there are several.
func oneOf[T any](name string, among []T, ref func(T) string) (found *T, err error) {
	for i := range among {
		switch r := ref(among[i]); {
		case !means(name, r):
		case found != nil:
			return nil, fmt.Errorf("%w: %s is the name of %s and of %s; name the one that you mean", ErrWrong, name, nameOf(ref(*found)), nameOf(r))
		default:
			found = &among[i]
		}
	}
	return found, nil
}

// means tells whether a name, which may be an id, topic/id or a ref, is that of the event with a ref.
func means(name, ref string) bool {
	topic, id, _, err := events.ParseRef(ref)
	return name == ref || err == nil && (name == id || name == topic+"/"+id)
}
