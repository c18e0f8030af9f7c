package sink

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// topics is a log of events on a real etcd, and what a test reads back from it.
type topics struct {
	t     *testing.T
	store *lease.Store
}

func openTopics(t *testing.T) *topics {
	t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &topics{t, store}
}

// all reads n events of a topic, in order.
func (l *topics) all(topic string, n int) []events.Event {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	log := events.Open(l.store, events.Options{})
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			l.t.Errorf("follow the log: %v", err)
		}
	}()
	feed := log.Subscribe([]string{topic}, events.Position{})
	defer feed.Close()
	var found []events.Event
	for len(found) < n {
		es, err := feed.Next(ctx, n-len(found))
		if err != nil {
			l.t.Fatalf("%d of %d events of %s, then %v", len(found), n, topic, err)
		}
		found = append(found, es...)
	}
	return found
}

// Messages become events, each once however often it is sent, in order, and with their attributes. Two resources may feed one
// topic. Seen to fail with an id that leaves the resource out (the second resource's are taken for changed ones of the first).
func TestEvents(t *testing.T) {
	log := openTopics(t)
	set := NewSet(Options{Publish: events.NewPublisher(log.store).Publish})
	s := set.Open(readSpec(t, `{"type": "event", "topic": "all.{kind}"}`), func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	defer s.Close()
	messages, others := sample(12), sample(1)
	others[0].Source = "drm/websocket/other"
	for _, batch := range [][]Message{messages, messages[3:], others} {
		if err := s.Send(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	found := log.all("all.websocket", 13)
	for i, e := range found[:12] {
		m := messages[i]
		if string(e.Data) != string(m.Data) || e.Source != m.Source || e.Type != m.Type || !e.Time.Equal(m.Time) ||
			e.Extensions["drmepoch"] != "7" || !strings.HasSuffix(e.ID, "-"+m.ID) {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if found[12].Source != "drm/websocket/other" {
		t.Errorf("the last is %+v", found[12])
	}
}

// An event too large for etcd is given up, and those beside it are not.
func TestTooLargeForAnEvent(t *testing.T) {
	log := openTopics(t)
	s := NewSet(Options{Publish: events.NewPublisher(log.store).Publish}).Open(readSpec(t, `{"type": "event", "topic": "big"}`), ignore)
	defer s.Close()
	messages := sample(3)
	messages[1].Data = []byte(strings.Repeat("x", events.MaxBytes))
	var refused *RefusedError
	if err := s.Send(t.Context(), messages); !errors.As(err, &refused) || refused.Messages != 1 || !errors.Is(err, events.ErrTooLarge) {
		t.Fatalf("Send returned %v", err)
	}
	if found := log.all("big", 2); string(found[1].Data) != "m2" {
		t.Errorf("found %s", found[1].Data)
	}
}

// refusing is a sink whose receiver answers with a status, and who counts requests.
func refusing(t *testing.T, status int, set Options, fields string) (Sink, *receiver) {
	t.Helper()
	rec := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	set.Clients = post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(set.Clients.Close)
	spec := readSpec(t, `{"type": "http", "url": "`+rec.URL+`", "retry": {"initial": "10ms", "max": "100ms", "give_up": "1s"}`+fields+`}`)
	return NewSet(set).Open(spec, ignore), rec
}

// With on_error drop what isn't taken in time is given up, after more than one attempt. Seen to fail with give_up
// ignored: it never returns.
func TestGivesUp(t *testing.T) {
	s, rec := refusing(t, http.StatusServiceUnavailable, Options{}, `, "on_error": "drop"`)
	var refused *RefusedError
	if err := s.Send(t.Context(), sample(1)); !errors.As(err, &refused) || refused.Messages != 1 || !strings.Contains(err.Error(), "503") {
		t.Fatalf("Send returned %v", err)
	}
	if rec.count() < 2 {
		t.Errorf("%d attempts", rec.count())
	}
}

// What is refused, and what isn't taken in time, is published with the reason. Seen to fail with bury left out.
func TestDeadLetters(t *testing.T) {
	log := openTopics(t)
	set := Options{Publish: events.NewPublisher(log.store).Publish}
	for i, status := range []int{http.StatusBadRequest, http.StatusServiceUnavailable} {
		s, _ := refusing(t, status, set, `, "on_error": "dead_letter", "dead_letter": {"topic": "lost"}`)
		messages := sample(i + 1)[i:]
		if err := s.Send(t.Context(), messages); err != nil {
			t.Fatalf("Send returned %v", err)
		}
	}
	for i, e := range log.all("lost", 2) {
		if want := []string{"400", "503"}[i]; string(e.Data) != string(sample(2)[i].Data) || !strings.Contains(e.Extensions["drmerror"], want) {
			t.Errorf("dead letter %d: %s, %v", i, e.Data, e.Extensions)
		}
	}
}

// A sink that the node can't serve says what to do, and goes on trying.
func TestNotOnThisNode(t *testing.T) {
	for spec, want := range map[string]string{
		`{"type": "file", "path": "a"}`:   "--sink-dir",
		`{"type": "event", "topic": "a"}`: "log of events",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var told error
		s := NewSet(Options{}).Open(readSpec(t, spec), func(err error) {
			told = err
			cancel()
		})
		if err := s.Send(ctx, sample(1)); !errors.Is(err, context.Canceled) || told == nil || !strings.Contains(told.Error(), want) {
			t.Errorf("%s: %v, told %v", spec, err, told)
		}
		s.Close()
	}
}
