package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, endpoints []string, configure ...func(*lease.Config)) *lease.Store {
	t.Helper()
	cfg := lease.Config{Endpoints: endpoints, RequestTimeout: 30 * time.Second}
	for _, c := range configure {
		c(&cfg)
	}
	s, err := lease.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stored returns what lies in a topic, by key.
func stored(t testing.TB, s *lease.Store, topic string) []cluster.Record {
	t.Helper()
	var all []cluster.Record
	err := s.List(timeout(t), lease.Range{Below: Root + topic + "/"}, func(b cluster.Batch) error {
		all = append(all, b.Records...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Seen to fail with Publish not looking at the last key of a topic.
func TestWhatIsPublishedTogetherStaysInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	p := NewPublisher(s)
	var es []Event
	for i := range 300 {
		e := Event{Topic: "orders", Data: fmt.Append(nil, i)}
		if i%3 == 0 {
			e.ID = fmt.Sprintf("%03d-%d", 999-i, rand.IntN(10)) // against the order
		}
		es = append(es, e)
	}
	last := Position{}
	for i, r := range p.Publish(timeout(t), es) {
		if r.Err != nil || r.Duplicate || r.At.Compare(last) <= 0 {
			t.Fatalf("event %d: %+v after %v", i, r, last)
		}
		last = r.At
	}
	if n := len(stored(t, s, "orders")); n != len(es) {
		t.Errorf("%d events in etcd; want %d", n, len(es))
	}
}

// IDs that we make grow, so that many events go in one request. Seen to fail with newID wholly random.
func TestEventsWithoutIDsGoTogether(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	revs := map[int64]bool{}
	for _, r := range NewPublisher(s).Publish(timeout(t), slices.Repeat([]Event{{Topic: "orders"}}, 2*cluster.MaxCommit)) {
		revs[r.At.Rev] = true
	}
	if len(revs) != 2 {
		t.Errorf("%d events were published in %d transactions; want 2", 2*cluster.MaxCommit, len(revs))
	}
}

// Seen to fail with judge telling no conflict, and with same looking at the time that we gave.
func TestAnEventIsPublishedOnce(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	at := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	e := Event{Topic: "orders", ID: "a", Type: "order.paid", Data: []byte(`{"n": 1,"time":"x"}`)}
	first := NewPublisher(s).Publish(timeout(t), []Event{e})[0]
	if first.Err != nil || first.Duplicate {
		t.Fatalf("published: %+v", first)
	}
	other, timed := e, e
	other.Data, timed.Time = []byte(`{"n": 2}`), at
	for _, c := range []struct {
		e         Event
		duplicate bool
	}{{e, true}, {other, false}, {timed, false}} {
		r := NewPublisher(s).Publish(timeout(t), []Event{c.e})[0]
		if r.Duplicate != c.duplicate || c.duplicate == errors.Is(r.Err, ErrConflict) || r.At != first.At {
			t.Errorf("%s at %v again: %+v; want a duplicate: %v", c.e.Data, c.e.Time, r, c.duplicate)
		}
	}
	twice := NewPublisher(s).Publish(timeout(t), []Event{{Topic: "t", ID: "x"}, {Topic: "t", ID: "x"}})
	if twice[0].Duplicate || !twice[1].Duplicate || twice[1].Err != nil {
		t.Errorf("one event twice at once: %+v", twice)
	}
}

// What was published without our hearing of it is no duplicate. Seen to fail with judge calling it one.
func TestAnEventThatWasPublishedUnheardIsNoDuplicate(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	p, r := NewPublisher(s), Receipt{}
	d, err := newDraft(Event{Topic: "orders", ID: "a"}, &r)
	if err != nil {
		t.Fatal(err)
	}
	unheard, err := s.Commit(timeout(t), ops([]*draft{d}, 0))
	if err != nil {
		t.Fatal(err)
	}
	d.unknown = true
	p.commit(timeout(t), []*draft{d})
	if r.Err != nil || r.Duplicate || r.At != (Position{Rev: unheard.Rev, Name: "orders/a"}) {
		t.Errorf("published: %+v; want revision %d and no duplicate", r, unheard.Rev)
	}
}

// Seen to fail with commit giving up after an error.
func TestPublishingOutlivesAFrozenStore(t *testing.T) {
	t.Parallel()
	e := etcdtest.Processes(t, 1)
	s := open(t, e.Endpoints(), func(c *lease.Config) { c.RequestTimeout = time.Second })
	p := NewPublisher(s)
	if r := p.Publish(timeout(t), []Event{{Topic: "orders", ID: "before"}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	e.Members[0].Stop()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r := p.Publish(short, []Event{{Topic: "orders", ID: "b"}})[0]; r.Err == nil {
		t.Error("published to a frozen store")
	}
	published := make(chan Receipt, 1)
	go func() { published <- p.Publish(timeout(t), []Event{{Topic: "orders", ID: "a"}})[0] }()
	select {
	case r := <-published:
		t.Errorf("published to a frozen store: %+v", r)
	case <-time.After(2500 * time.Millisecond):
	}
	e.Members[0].Cont()
	if r := <-published; r.Err != nil || r.Duplicate || r.At.Rev == 0 {
		t.Errorf("published: %+v", r)
	}
	if r := p.Publish(timeout(t), []Event{{Topic: "orders", ID: "b"}})[0]; r.Err != nil {
		t.Errorf("said again after an unknown outcome: %+v", r)
	}
	if n := len(stored(t, s, "orders")); n != 3 {
		t.Errorf("%d events in etcd; want 3", n)
	}
}

// Seen to fail with commit telling all of a request that etcd refused one.
func TestWhatEtcdRefusesHarmsNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t, func(c *embed.Config) { c.MaxRequestBytes = 100 << 10 }).Endpoints())
	big := Event{Topic: "orders", Data: []byte(`"` + strings.Repeat("x", 200<<10) + `"`)}
	for i, r := range NewPublisher(s).Publish(timeout(t), []Event{{Topic: "orders"}, big, {Topic: "orders"}}) {
		if refused := errors.Is(r.Err, cluster.ErrRefused); refused != (i == 1) || !refused && r.Err != nil {
			t.Errorf("event %d: %v", i, r.Err)
		}
	}
}

// Seen to fail with encode not looking at the size.
func TestWhatCantBePublishedHarmsNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints(), func(c *lease.Config) { c.RequestTimeout = 5 * time.Second })
	for i, r := range NewPublisher(s).Publish(timeout(t), []Event{
		{Topic: "orders"},
		{Topic: "a/b"},
		{Topic: ""},
		{Topic: "orders", ID: "a.b"},
		{Topic: "orders", Data: make([]byte, 2<<20), ContentType: "application/octet-stream"},
		{Topic: "orders", Data: []byte(`"` + strings.Repeat("x", MaxBytes-300) + `"`)},
		{Topic: "orders", Extensions: map[string]string{"Type": "x"}},
		{Topic: "orders", Extensions: map[string]string{"type": "x"}},
		{Topic: "orders", Subject: "\xff"},
		{Topic: "orders", Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Topic: "orders"},
	}) {
		var want error
		switch i {
		case 1, 2, 3, 6, 7, 9:
			want = ErrInvalid
		case 4:
			want = ErrTooLarge
		}
		if !errors.Is(r.Err, want) {
			t.Errorf("event %d: %v; want %v", i, r.Err, want)
		}
	}
	if n := len(stored(t, s, "orders")); n != 4 {
		t.Errorf("%d events in etcd; want 4", n)
	}
}

func TestAFullStoreSaysSo(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, func(c *embed.Config) { c.QuotaBackendBytes = 2 << 20 })
	p := NewPublisher(open(t, e.Endpoints()))
	for range 100 { // etcd looks at its size now and then
		r := p.Publish(timeout(t), []Event{{Topic: "orders", Data: []byte(`"` + strings.Repeat("x", 500_000) + `"`)}})[0]
		if r.Err == nil {
			continue
		}
		if !errors.Is(r.Err, cluster.ErrRefused) || !strings.Contains(r.Err.Error(), "alarm disarm") {
			t.Errorf("a full store: %v; want what to do about it", r.Err)
		}
		return
	}
	t.Error("50 MB were published to a store of 2 MiB")
}
