package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// office is an operator on a real etcd, and what lies there.
type office struct {
	*Operator
	t    *testing.T
	refs map[string]string // of events, by topic/id
	last int64
}

func newOffice(t *testing.T) *office {
	t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &office{Operator: NewOperator(store), t: t, refs: map[string]string{}}
}

// put puts a key, and if it is an event notes its ref.
func (o *office) put(path string, value []byte) int64 {
	o.t.Helper()
	answer, err := o.store.Commit(o.t.Context(), []cluster.Op{{Path: path, Value: value}})
	if err != nil {
		o.t.Fatal(err)
	}
	if name, ok := strings.CutPrefix(path, "topics/"); ok {
		topic, id, _ := strings.Cut(name, "/")
		o.refs[name] = events.Event{Topic: topic, ID: id, At: events.Position{Rev: answer.Rev}}.Ref()
	}
	o.last = answer.Rev
	return answer.Rev
}

// keep puts what a holder would have on record of the webhook shop.
func (o *office) keep(name string, value any) {
	o.put(cluster.StatePath(cluster.Key{Kind: Kind, ID: "shop"}, name), encode(value))
}

// furnish fills etcd: one event in each state, one delivered, one not taken up yet, and two that share an id.
func furnish(t *testing.T) *office {
	o := newOffice(t)
	for _, name := range []string{"taken", "waiting", "doubt", "dead", "sending", "twin"} {
		o.put("topics/orders/"+name, []byte(`{"time":"2026-01-01T00:00:00Z","data":1}`))
	}
	o.put("topics/billing.eu/twin", []byte("1"))
	at := events.Position{Rev: o.last, Name: "billing.eu/twin"}
	o.put("topics/orders/later", []byte("1"))
	o.put("topics/others/foreign", []byte("1"))
	now := time.Now()
	o.keep(cursorName, cursor{
		Topics: []string{"orders", "billing.*"}, At: at, Flight: []flight{{Event: o.refs["orders/sending"], Attempt: 2, First: now}},
		Taken: []Attempt{{Event: o.refs["orders/taken"], Attempt: 1, Time: now, Status: 200}},
	})
	o.keep(attemptsDir+"0", Attempt{Event: o.refs["orders/sending"], Attempt: 1, Time: now.Add(-2 * time.Hour), Error: "no", Response: "later"})
	o.keep(waitingDir+o.refs["orders/waiting"], entry{Attempt: 1, Since: now.Add(-2 * time.Hour), Next: now.Add(time.Hour), Status: 503, Reason: "busy"})
	o.keep(waitingDir+o.refs["orders/sending"], entry{Attempt: 1, Since: now, Next: now})
	o.keep(doubtDir+o.refs["orders/doubt"], entry{Attempt: 1, Since: now, Reason: "no answer"})
	o.keep(deadDir+o.refs["orders/dead"], entry{Attempt: 3, Since: now, Status: 404})
	return o
}

// What is on record is shown: each event once, in its state, and what has not been taken up is counted. Seen to fail with the entry of an event
// that is being sent shown beside it, with the cursor not looked at, and with topics that are not the webhook's counted.
func TestDeliveriesAreShown(t *testing.T) {
	o := furnish(t)
	d, err := o.Look(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range d.Events {
		got = append(got, fmt.Sprint(e.Name(), " ", e.State, " ", e.Attempts))
	}
	if want := []string{"orders/waiting waiting 1", "orders/doubt in_doubt 1", "orders/dead dead 3", "orders/sending sending 2"}; !slices.Equal(got, want) {
		t.Errorf("events %q; want %q", got, want)
	}
	if *d.Backlog != 1 || d.Counts[Waiting] != 1 || d.Counts[Sending] != 1 || len(d.Attempts) != 2 || d.Attempts[0].Status != 200 {
		t.Errorf("shown as %+v", d)
	}
	narrow := d
	if left := narrow.Narrow(nil, time.Now().Add(-time.Hour), 2); left != 1 || len(narrow.Events) != 2 || len(narrow.Attempts) != 1 {
		t.Errorf("of the last hour, two at the most: %d left out of %+v", left, narrow)
	}
	if d, err = o.Look(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if d.Narrow([]State{Dead, Sending}, time.Time{}, 0); len(d.Events) != 2 {
		t.Errorf("dead and sending: %+v", d.Events)
	}
	if _, err := o.Look(t.Context(), "shpo"); !errors.Is(err, cluster.ErrNoResource) {
		t.Errorf("a webhook that is not there: %v", err)
	}
}

// Whatever name an event is given by, it is found, or told what was wrong with the name. Seen to fail with the log not looked at, with the second
// of two of the same id taken, with an event replayed that was not taken up yet, and with one planned twice that was named twice.
func TestEventsAreFoundByName(t *testing.T) {
	o := furnish(t)
	dead := o.refs["orders/dead"]
	for _, c := range []struct {
		do    Action
		names []string
		want  []string // topic/id
		err   error
		says  string
	}{
		{Replay, []string{"dead"}, []string{"orders/dead"}, nil, ""},
		{Drop, []string{dead, "orders/dead", "dead", "doubt"}, []string{"orders/dead", "orders/doubt"}, nil, ""},
		{Replay, []string{"taken", "dead", o.refs["orders/taken"]}, []string{"orders/dead", "orders/taken"}, nil, ""},
		{Replay, []string{"billing.eu/twin"}, []string{"billing.eu/twin"}, nil, ""},
		{Replay, []string{"twin"}, nil, ErrWrong, "twin is the name of "},
		{Drop, []string{"taken"}, nil, ErrNoEvent, "what can be dropped waits"},
		{Replay, []string{"orders/dad"}, nil, ErrNoEvent, "did you mean orders/dead?"},
		{Replay, []string{"later"}, nil, ErrNoEvent, "has not come to it"},
		{Replay, []string{"foreign"}, nil, ErrNoEvent, "neither in the log nor on record"},
	} {
		p, err := o.Plan(t.Context(), "shop", c.do, Choice{Events: c.names})
		if c.err != nil {
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s %v: %v; want %v, %s", c.do, c.names, err, c.err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %v: %v", c.do, c.names, err)
			continue
		}
		var got []string
		for _, e := range p.Events {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, c.want) || len(p.asks) != len(c.want) {
			t.Errorf("%s %v: %v, %d asks; want %v", c.do, c.names, got, len(p.asks), c.want)
		}
	}
}

// Of a webhook whose events lie elsewhere what is on record is found, and a ref is taken as it is. Seen to fail with a time taken for the beginning
// of all, and with a ref looked for in etcd.
func TestEventsThatLieElsewhere(t *testing.T) {
	o := newOffice(t)
	const ref, settled = "0000000000000007~orders~o-1", "0000000000000006~orders~o-0"
	o.keep(cursorName, cursor{At: events.Position{Rev: 9}})
	o.keep(deadDir+ref, entry{Attempt: 1, Since: time.Now()})
	if d, err := o.Look(t.Context(), "shop"); err != nil || d.Backlog != nil || d.Counts[Dead] != 1 || d.Cursor != "9" {
		t.Errorf("%+v, %v", d, err)
	}
	if p, err := o.Plan(t.Context(), "shop", Replay, Choice{Events: []string{"o-1", settled}}); err != nil || len(p.asks) != 2 || p.asks[1].Event != settled {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := o.Plan(t.Context(), "shop", Replay, Choice{Events: []string{"o-0"}}); !errors.Is(err, ErrNoEvent) || !strings.Contains(err.Error(), "by its ref") {
		t.Errorf("an id: %v", err)
	}
	if _, err := o.Plan(t.Context(), "shop", Replay, Choice{Since: time.Now()}); !errors.Is(err, ErrWrong) {
		t.Errorf("a time: %v", err)
	}
}

// Seen to fail with events beyond the cursor counted among those to be sent again, and with each check of a choice left out.
func TestManyEventsAreChosen(t *testing.T) {
	o := furnish(t)
	plan := func(do Action, c Choice) *Plan {
		t.Helper()
		p, err := o.Plan(t.Context(), "shop", do, c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := plan(Drop, Choice{All: Waiting}); len(p.Events) != 1 || p.asks[0] != (Ask{Do: Drop, All: Waiting}) {
		t.Errorf("all that waits: %+v", p)
	}
	if p := plan(Replay, Choice{After: &events.Position{}}); p.Again != 7 || p.After != "0" || len(p.asks) != 1 {
		t.Errorf("all of the log: %+v", p)
	}
	if p := plan(Replay, Choice{Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}); p.Again != 1 || !strings.HasSuffix(p.After, "/orders/twin") {
		t.Errorf("since February: %+v", p)
	}
	for _, wrong := range []struct {
		do Action
		c  Choice
	}{
		{Replay, Choice{}},
		{"stop", Choice{All: Dead}},
		{Replay, Choice{All: Sending}},
		{Replay, Choice{All: Dead, Events: []string{"dead"}}},
		{Drop, Choice{After: &events.Position{}}},
		{Drop, Choice{Since: time.Now()}},
	} {
		if p, err := o.Plan(t.Context(), "shop", wrong.do, wrong.c); !errors.Is(err, ErrWrong) {
			t.Errorf("%s %+v: %+v, %v", wrong.do, wrong.c, p, err)
		}
	}
	within, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if n, err := o.Carry(within, plan(Drop, Choice{All: Dead})); n != 0 || !errors.Is(err, state.ErrUnanswered) || !strings.Contains(err.Error(), "nobody holds it") {
		t.Errorf("what nobody does: %d, %v", n, err)
	}
}
