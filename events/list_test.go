package events

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// Seen to fail with an event of two globs listed twice, with the topic's name taken for the beginning of others, and with a key of no topic listed.
func TestTopicsAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	rev := r.publish("orders/a", "1", "orders/b.c", "2", "orders2/a", "3", "billing.eu/a", "4", "billing.us/a", "5", "or ders/a", "6", "stray", "7")
	for _, c := range []struct {
		topics []string
		want   []string
	}{
		{[]string{"orders"}, []string{"orders/" + derivedID("b.c", rev), "orders/a"}},
		{[]string{"*.eu", "billing.*"}, []string{"billing.eu/a", "billing.us/a"}},
		{[]string{"orders*", "orders", "nothing"}, []string{"orders/" + derivedID("b.c", rev), "orders/a", "orders2/a"}},
		{[]string{"*"}, []string{"billing.eu/a", "billing.us/a", "orders/" + derivedID("b.c", rev), "orders/a", "orders2/a"}},
		{nil, nil},
	} {
		var found []string
		err := List(r.ctx, r.store, c.topics, func(l Listed) error {
			if l.At.Rev != rev || l.Ref() != fmt.Sprintf("%016x~%s~%s", rev, l.Topic, l.ID) {
				t.Errorf("%+v has the ref %s", l, l.Ref())
			}
			found = append(found, l.At.Name)
			return nil
		})
		slices.Sort(found)
		slices.Sort(c.want)
		if err != nil || !slices.Equal(found, c.want) {
			t.Errorf("%v: %v, %v; want %v", c.topics, found, err, c.want)
		}
	}
	enough := errors.New("enough")
	if err := List(r.ctx, r.store, []string{"*"}, func(Listed) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of each: %v", err)
	}
}

// Seen to fail with the event at the very time left out, with those without a time taken to be before it, and with a log without times taken whole.
func TestPositionsAreFoundByTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var at []Position
	for i := range 60 {
		value := fmt.Sprintf(`{"time":%q,"data":%d}`, begin.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), i)
		if i%3 == 1 || i >= 20 && i < 50 {
			value = fmt.Sprint(i) // says nothing of its time
		}
		name := fmt.Sprintf("orders/e%02d", i)
		at = append(at, Position{r.publish(name, value), name})
	}
	for hours, want := range map[int]Position{-1: {}, 0: {}, 2: at[0], 3: at[2], 15: at[14], 17: at[15], 50: at[18], 51: at[50], 59: at[57], 60: at[59], 1000: at[59]} {
		got, err := Since(r.ctx, r.store, []string{"orders"}, begin.Add(time.Duration(hours)*time.Hour))
		if err != nil || got != want {
			t.Errorf("since hour %d: after %v, %v; want %v", hours, got, err, want)
		}
	}
	r.publish("plain/a", "1")
	if _, err := Since(r.ctx, r.store, []string{"plain"}, begin); !errors.Is(err, ErrNoTimes) {
		t.Errorf("of a log without times: %v", err)
	}
	if got, err := Since(r.ctx, r.store, []string{"nothing"}, begin); err != nil || got != (Position{}) {
		t.Errorf("of no log: %v, %v", got, err)
	}
}
