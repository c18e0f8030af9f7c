package events

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/lease"
)

// Excerpt is a part of a topic, for people to look at: events in the order of the log. More says that others come after them.
type Excerpt struct {
	Events []Event
	More   bool
}

// maxExcerpt is how many bytes of values an excerpt has, unless a single event has more.
const maxExcerpt = 4 << 20

// Look returns the first events of a topic after a position or, without one, the last that there are: at most so many, at least one, and fewer where
// they are large. It lists the keys of the topic, which takes a second for some hundred thousand, in memory that does not grow with them.
func Look(ctx context.Context, store *lease.Store, topic string, after *Position, most int) (Excerpt, error) {
	order := func(a, b Listed) int { return a.At.Compare(b.At) }
	if after == nil {
		order = func(a, b Listed) int { return b.At.Compare(a.At) }
	}
	w := NewWindow(most, order)
	err := List(ctx, store, []string{topic}, func(l Listed) error {
		if after == nil || l.At.Compare(*after) > 0 {
			w.Add(l)
		}
		return ctx.Err()
	})
	if err != nil {
		return Excerpt{}, err
	}
	first, more := w.First()
	found, cut, err := fetch(ctx, store, first)
	if err != nil {
		return Excerpt{}, fmt.Errorf("read events of topic %s: %w", topic, err)
	}
	if after == nil {
		slices.Reverse(found)
		return Excerpt{Events: found}, nil
	}
	return Excerpt{Events: found, More: more || cut}, nil
}

// fetch reads events until they are too large together, which cut tells. It leaves out what was deleted or overwritten meanwhile.
func fetch(ctx context.Context, store *lease.Store, listed []Listed) (found []Event, cut bool, err error) {
	size := 0
	for together := range slices.Chunk(listed, 16) {
		var paths []string
		for _, l := range together {
			paths = append(paths, l.Path)
		}
		records, err := store.Read(ctx, paths...)
		if err != nil {
			return nil, false, err
		}
		for i, r := range records {
			if r.Deleted || r.Rev != together[i].At.Rev {
				continue
			}
			if size += len(r.Value); size > maxExcerpt && len(found) > 0 {
				return found, true, nil
			}
			e := Event{Topic: together[i].Topic, ID: together[i].ID, At: together[i].At}
			e.decode(r.Value)
			found = append(found, e)
		}
	}
	return found, false, nil
}

// MarshalJSON tells of an event by the names that CloudEvents has, with its position and topic, and with its extensions in an object.
func (e Event) MarshalJSON() ([]byte, error) {
	told := struct {
		ID          string            `json:"id"`
		Topic       string            `json:"topic"`
		Position    string            `json:"position"`
		Type        string            `json:"type"`
		Source      string            `json:"source"`
		Subject     string            `json:"subject,omitempty"`
		Schema      string            `json:"dataschema,omitempty"`
		Time        time.Time         `json:"time,omitzero"`
		Extensions  map[string]string `json:"extensions,omitempty"`
		ContentType string            `json:"datacontenttype"`
		Data        any               `json:"data,omitempty"`
		Bytes       []byte            `json:"data_base64,omitempty"`
	}{
		e.ID, e.Topic, e.At.String(), e.Type, e.Source, e.Subject, e.Schema, e.Time, e.Extensions, e.ContentType, nil, nil,
	}
	switch {
	case len(e.Data) == 0:
	case isJSON(e.ContentType) && json.Valid(e.Data):
		told.Data = json.RawMessage(e.Data)
	case utf8.Valid(e.Data):
		told.Data = string(e.Data)
	default:
		told.Bytes = e.Data
	}
	return json.Marshal(told)
}
