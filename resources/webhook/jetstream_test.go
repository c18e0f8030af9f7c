package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/natstest"
)

// streamed is a stand whose webhook delivers a stream.
type streamed struct {
	*stand
	nats *natstest.Server
	js   jetstream.JetStream
	key  cluster.Key

	mu    sync.Mutex
	posts map[string]int
	moved chan struct{}
}

func newStreamed(t testing.TB) *streamed {
	srv := natstest.Start(t)
	s := &streamed{
		stand: newStand(t), nats: srv, js: srv.JetStream(t), key: cluster.Key{Kind: Kind, ID: "w"}, posts: map[string]int{}, moved: make(chan struct{}, 1000),
	}
	natstest.Stream(t, s.js, "ORDERS", "orders.>")
	s.runner.ackWait = time.Second
	return s
}

// publish publishes messages with ids.
func (s *streamed) publish(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if _, err := s.js.Publish(s.ctx, "orders.eu", []byte(`{"n":1}`), jetstream.WithMsgID(id)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// came notes a POST.
func (s *streamed) came(req *http.Request) {
	s.mu.Lock()
	s.posts[req.Header.Get("Webhook-Id")]++
	s.mu.Unlock()
	s.moved <- struct{}{}
}

// count waits until so many POSTs have come in all, and returns how often each event did.
func (s *streamed) count(n int) map[string]int {
	s.t.Helper()
	for ; n > 0; n-- {
		select {
		case <-s.moved:
		case <-s.ctx.Done():
			s.t.Fatalf("%d more POSTs were to come; there are %v", n, s.posts)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

// run holds the webhook under a new epoch until end is called. Held ends with lose, as when the node is cut off.
func (s *streamed) run(to, more string) (end, lose func()) {
	s.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(to, "http://"), ":")
	spec := fmt.Sprintf(`{"url": %q, "source": {"type": "jetstream", "url": %q, "stream": "ORDERS"}, "network": {"allow_http": true, "ports": [%s]}%s}`,
		to, s.nats.URL, port, more)
	epoch := s.commit(cluster.Op{Path: cluster.ClaimPath(s.key), Value: []byte("{}")})
	held, lost := context.WithCancel(s.ctx)
	ctx, cancel := context.WithCancel(held)
	var running sync.WaitGroup
	running.Go(func() {
		err := s.runner.Run(ctx, cluster.Claim{
			Key: s.key, Spec: []byte(spec), Epoch: epoch, Held: held, Report: func(c cluster.Condition) { s.told <- c },
		})
		if !errors.Is(err, context.Canceled) {
			s.t.Errorf("run: %v", err)
		}
	})
	end, lose = func() { cancel(); running.Wait() }, func() { lost(); running.Wait() }
	s.t.Cleanup(end)
	return end, lose
}

// rest waits until the ledger of the webhook is as it should be, and the consumer waits for so many acks.
func (s *streamed) rest(what string, unacked int, ok func(ledger) bool) ledger {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		records, err := state.Load(s.ctx, s.store, s.key)
		if err != nil {
			s.t.Fatal(err)
		}
		l, err := readLedger(records)
		if err != nil {
			s.t.Fatal(err)
		}
		n := -1
		if c, err := s.js.Consumer(s.ctx, "ORDERS", "drm-webhook-w"); err == nil {
			n = c.CachedInfo().NumAckPending
		}
		if l.cursor != nil && ok(l) && n == unacked {
			return l
		}
		select {
		case <-tick.C: // the server tells nobody of acks
		case <-s.ctx.Done():
			s.t.Fatalf("%s: %d acks are missing; the ledger is %+v", what, n, l)
		}
	}
}

// Events of a stream are delivered once each, from now on, and acknowledged when that is on record. Seen to fail with Settled not told,
// and (e0 comes) with start ignored.
func TestDeliversAStream(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	s.publish("e0")
	r := receive(t, func(_ http.ResponseWriter, req *http.Request) { s.came(req) })
	s.run(r.URL, "")
	s.rest("begins", 0, func(l ledger) bool { return l.cursor.At.Rev == 1 && l.cursor.Source == s.nats.URL+"/ORDERS" })
	var ids []string
	for i := range 30 {
		ids = append(ids, fmt.Sprint("e", i+1))
	}
	s.publish(ids...)
	posts := s.count(len(ids))
	s.rest("delivered", 0, func(l ledger) bool { return l.cursor.At.Rev == 31 && len(l.cursor.Flight) == 0 })
	for _, id := range ids {
		if posts[id] != 1 {
			t.Errorf("%d POSTs of %s", posts[id], id)
		}
	}
	if len(posts) != len(ids) {
		t.Errorf("POSTs of %v", posts)
	}
}

// A holder that is lost in the middle leaves an event in doubt and another delivered, neither acknowledged: the next sends neither again,
// and waits with the ack of the one until somebody decides, though the server delivers both again. In mode at_least_once the one
// is sent again. Seen to fail with known left out (it is never settled) and with takeover left out (e1 is never in doubt).
func TestAStreamChangesHands(t *testing.T) {
	t.Parallel()
	for mode, again := range map[string]int{modeEffectively: 1, modeOnce: 1, modeAtLeast: 2} {
		t.Run(mode, func(t *testing.T) {
			s := newStreamed(t)
			hanging := true
			r := receive(t, func(_ http.ResponseWriter, req *http.Request) {
				s.mu.Lock()
				hang := hanging && req.Header.Get("Webhook-Id") == "e1"
				s.mu.Unlock()
				s.came(req)
				if hang {
					<-req.Context().Done()
				}
			})
			spec := fmt.Sprintf(`, "start": "oldest", "delivery": %q, "retry": {"schedule": ["10ms"]}`, mode)
			s.publish("e0", "e1")
			_, lose := s.run(r.URL, spec)
			s.count(2)
			s.rest("e1 is on its way", 1, func(l ledger) bool { return len(l.cursor.Flight) == 1 })
			lose()
			s.mu.Lock()
			hanging = false
			s.mu.Unlock()
			s.publish("e2")
			end, _ := s.run(r.URL, spec)
			posts := s.count(again)
			if again == 1 {
				l := s.rest("e1 is in doubt", 1, func(l ledger) bool {
					return len(l.entries[doubtDir]) == 1 && l.cursor.At.Rev == 3 && len(l.cursor.Flight) == 0
				})
				for ref := range l.entries[doubtDir] {
					s.commit(cluster.Op{Path: cluster.AskPath(s.key, "1"), Value: fmt.Appendf(nil, `{"do": "drop", "event": %q}`, ref)})
				}
			}
			s.rest("all is settled", 0, func(l ledger) bool { return len(l.entries[doubtDir])+len(l.cursor.Flight) == 0 && l.cursor.At.Rev == 3 })
			end()
			if posts["e0"] != 1 || posts["e1"] != again || posts["e2"] != 1 {
				t.Errorf("POSTs of %v; want %d of e1", posts, again)
			}
		})
	}
}

// While NATS is away what waits uses up no attempts, the webhook says what is wrong, and goes on when it is back. Seen to fail (e0 is a
// dead letter) with an event that can't be read taken for one that was not sent.
func TestAStreamThatIsAway(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	answers := make(chan int, 2)
	answers <- http.StatusServiceUnavailable
	answers <- http.StatusOK
	r := receive(t, func(w http.ResponseWriter, req *http.Request) { s.came(req); w.WriteHeader(<-answers) })
	end, _ := s.run(r.URL, `, "start": "oldest", "retry": {"schedule": ["1s"]}`)
	s.publish("e0")
	s.count(1)
	s.rest("e0 waits", 1, func(l ledger) bool { return len(l.entries[waitingDir]) == 1 })
	s.nats.Stop()
	if c := s.tells(stateFailing); c.Err == nil || !strings.Contains(c.Err.Error(), "read events: ") {
		t.Errorf("told %v", c.Err)
	}
	end() // the one who waits for NATS lets go at once
	s.run(r.URL, `, "start": "oldest", "retry": {"schedule": ["1s"]}`)
	s.tells(stateFailing)
	s.nats.Start(t)
	s.count(1)
	l := s.rest("delivered", 0, func(l ledger) bool { return len(l.cursor.Flight)+len(l.entries[waitingDir]) == 0 })
	if len(l.entries[deadDir]) > 0 || resources.Cause(s.ctx) != nil {
		t.Errorf("dead letters: %v", l.entries[deadDir])
	}
}
