package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// Whenever a POST comes, its intent is in etcd; and there each event up to the cursor that the receiver has not answered well is on
// its way, waiting, in doubt or dead. Seen to fail with what was begun sent before it was written down, and with the flight left out
// of the cursor.
func TestARecordIsAheadOfEachRequest(t *testing.T) {
	t.Parallel()
	const n = 60
	r := newRig(t, etcdtest.Start(t).Endpoints())
	var mu sync.Mutex
	taken, tried := map[string]bool{}, map[string]bool{}
	rec := receive(t, func(w http.ResponseWriter, q *http.Request) {
		id := q.Header.Get("Webhook-Id")
		mu.Lock()
		defer mu.Unlock()
		found, c := r.ledger("w")
		known := map[string]bool{}
		for _, f := range c.Flight {
			known[f.Event[strings.LastIndexByte(f.Event, '~')+1:]] = true
		}
		if !known[id] {
			t.Errorf("%s came, and on record are %v", id, c.Flight)
		}
		for _, dir := range []string{waitingDir, doubtDir, deadDir} {
			for _, other := range below(found, dir) {
				known[other] = true
			}
		}
		for i := 0; i < n && "t/"+eventID(i) <= c.At.Name; i++ {
			if id := eventID(i); !taken[id] && !known[id] {
				t.Errorf("%s was not taken, and nothing is on record of it: at %s, %v", id, c.At, found)
			}
		}
		if nth, _ := strconv.Atoi(id[1:]); nth%3 == 0 && !tried[id] {
			tried[id] = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		taken[id] = true
	})
	r.hold("w", rec.URL, `, "retry": {"schedule": ["0s", "0s"]}, "breaker": {"failures": 0}`)
	r.publish(0, n)
	r.settled("w", n-1)
	for i := range n {
		want := 1
		if i%3 == 0 {
			want = 2
		}
		if got := rec.counts()[eventID(i)]; got != want {
			t.Errorf("%s came %d times; want %d", eventID(i), got, want)
		}
	}
}

// hanging is a receiver that lets the first POST wait until the test says so, or until it is called off.
func hanging(t *testing.T) (rec *receiver, arrived, answer chan struct{}) {
	arrived, answer = make(chan struct{}), make(chan struct{})
	var first sync.Once
	return receive(t, func(_ http.ResponseWriter, q *http.Request) {
		first.Do(func() {
			close(arrived)
			select {
			case <-answer:
			case <-q.Context().Done():
			}
		})
	}), arrived, answer
}

// When a webhook is edited, paused, moved or deleted while a POST is under way, its answer is waited for and written down: nothing
// is in doubt, nothing comes twice, and the next spec holds for what comes after. Seen to fail with attempts made under the
// context that ends at once.
func TestAnEditWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, etcdtest.Start(t).Endpoints())
	rec, arrived, answer := hanging(t)
	h := r.hold("w", rec.URL, `, "concurrency": 1`)
	r.publish(0, 3)
	<-arrived
	h.let()
	r.known() // which takes its time: by then a run that waits for nothing would have called the request off
	select {
	case err := <-h.ended:
		t.Fatalf("the run ended, %v, while a request was under way", err)
	default:
	}
	close(answer)
	if err := h.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if found, c := r.ledger("w"); len(c.Flight)+len(below(found, doubtDir)) > 0 {
		t.Errorf("on record is %v", found)
	}
	r.hold("w", rec.URL, `, "filter": "data.n != 1"`)
	r.settled("w", 2)
	if n := rec.counts(); n[eventID(0)] != 1 || n[eventID(1)] != 0 || n[eventID(2)] != 1 {
		t.Errorf("came %v; want the first once, the second filtered out, the third once", n)
	}
}

// A holder whose claim is another's in the middle of a POST writes nothing more, whatever the answer. The next one finds the event in
// doubt, and sends it again in mode at_least_once alone, under its own fence. Seen to fail with the outcome written without the guard
// of the epoch, and with the intents of earlier holders taken for settled.
func TestAClaimLostInTheMiddleOfARequest(t *testing.T) {
	for mode, want := range map[string]int{modeOnce: 1, modeEffectively: 1, modeAtLeast: 2} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, etcdtest.Start(t).Endpoints())
			rec, arrived, answer := hanging(t)
			more := `, "retry": {"schedule": ["0s", "0s"]}, "delivery": "` + mode + `"`
			before := r.hold("w", rec.URL, more)
			r.publish(0, 1)
			<-arrived
			r.put(cluster.ClaimPath(before.claim.Key), `{"node":"other"}`) // which this node hears of later
			close(answer)
			if err := before.end(); !errors.Is(err, state.ErrFenced) {
				t.Errorf("ended with %v", err)
			}
			if _, c := r.ledger("w"); len(c.Flight) != 1 {
				t.Errorf("on record is %+v; want the intent", c)
			}
			after := r.hold("w", rec.URL, more)
			r.settled("w", 0)
			found, _ := r.ledger("w")
			if n := rec.counts()[eventID(0)]; n != want || len(below(found, doubtDir)) != 2-want {
				t.Errorf("came %d times, on record is %v; want %d", n, found, want)
			}
			last, _ := rec.last(t)
			if fence, _ := strconv.ParseInt(last.Header.Get("Drm-Fence"), 10, 64); want == 2 && fence != after.claim.Epoch {
				t.Errorf("the last fence is %d; want %d", fence, after.claim.Epoch)
			}
		})
	}
}

// Two webhooks may have one url: each delivers each event once, and the fence says which. Seen to fail with the same fence for all.
func TestTwoWebhooksOfOneURL(t *testing.T) {
	t.Parallel()
	r := newRig(t, etcdtest.Start(t).Endpoints())
	rec := receive(t, status(http.StatusOK))
	a, b := r.hold("a", rec.URL, ""), r.hold("b", rec.URL, "")
	r.publish(0, 10)
	r.settled("a", 9)
	r.settled("b", 9)
	fences := map[string]int{}
	for _, q := range rec.requests {
		fences[q.Header.Get("Drm-Fence")]++
	}
	for _, h := range []*holder{a, b} {
		if n := fences[strconv.FormatInt(h.claim.Epoch, 10)]; n != 10 {
			t.Errorf("%d came from %s; want 10", n, h.claim.Key)
		}
	}
	for id, n := range rec.counts() {
		if n != 2 {
			t.Errorf("%s came %d times; want 2", id, n)
		}
	}
}
