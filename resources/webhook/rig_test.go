package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// within bounds whatever should come to pass at once: long enough for a loaded machine, and less than the minute that a mutant is given.
const within = 40 * time.Second

// rig runs webhooks on a real etcd as a node runs them, but for their claims, which the test puts.
type rig struct {
	t      *testing.T
	ctx    context.Context
	client *clientv3.Client
	runner *Runner
	gaps   chan struct{} // one for each gap that was told
}

func newRig(t *testing.T, endpoints []string) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	store, err := lease.Open(lease.Config{Endpoints: endpoints, RequestTimeout: 2 * time.Second, FreshEvery: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r := &rig{t: t, ctx: ctx, client: etcdtest.Client(t, endpoints), gaps: make(chan struct{}, 9)}
	book, log := state.Open(store, state.Options{}), events.Open(store, events.Options{Memory: 1 << 20})
	clients := post.NewClients(&resources.Guard{AllowLoopback: true})
	r.runner = New(Options{
		Log: log, Book: book, Clients: clients, Agent: "drm/test", Host: "drm.example",
		Meter: resources.Meter{Gaps: func() { r.gaps <- struct{}{} }},
	})
	running, end := context.WithCancel(context.Background())
	var joined sync.WaitGroup
	joined.Go(func() { _ = book.Run(running) })
	joined.Go(func() { _ = log.Run(running) })
	t.Cleanup(func() { end(); joined.Wait(); clients.Close() })
	return r
}

// holder is one run of a webhook.
type holder struct {
	r     *rig
	claim cluster.Claim
	let   context.CancelFunc      // the webhook is to move, to change or to go
	lose  context.CancelCauseFunc // it is another's, or may be
	ended chan error

	mu      sync.Mutex
	shows   cluster.Condition
	changed chan struct{}
}

// hold puts a webhook and has it run under a new epoch, until the test ends.
func (r *rig) hold(id, to, more string) *holder {
	r.t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		r.t.Fatal(err)
	}
	k := cluster.Key{Kind: Kind, ID: id}
	spec := fmt.Sprintf(`{"url": %q, "topics": ["t"], "start": "oldest", "network": {"allow_http": true, "ports": [%s]}%s}`, to, u.Port(), more)
	h := &holder{r: r, ended: make(chan error, 1), changed: make(chan struct{})}
	held, lose := context.WithCancelCause(context.Background())
	ctx, let := context.WithCancel(held)
	h.lose, h.let = lose, let
	h.claim = cluster.Claim{Key: k, Spec: json.RawMessage(spec), SpecRev: r.put(cluster.ResourcePath(k), spec), Held: held, Report: h.report}
	h.claim.Epoch = r.put(cluster.ClaimPath(k), `{"node":"n"}`)
	var running sync.WaitGroup
	running.Go(func() { h.ended <- r.runner.Run(ctx, h.claim) })
	r.t.Cleanup(func() { lose(cluster.ErrClaimLost); running.Wait() })
	return h
}

func (h *holder) report(c cluster.Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shows = c
	close(h.changed)
	h.changed = make(chan struct{})
}

// end returns once the run has ended.
func (h *holder) end() error {
	h.r.t.Helper()
	select {
	case err := <-h.ended:
		return err
	case <-h.r.ctx.Done():
		h.r.t.Fatal("the run has not ended")
		return nil
	}
}

// shown returns once the webhook is in a state, with why.
func (h *holder) shown(state string) error {
	h.r.t.Helper()
	for {
		h.mu.Lock()
		is, changed := h.shows, h.changed
		h.mu.Unlock()
		if is.State == state {
			return is.Err
		}
		select {
		case <-changed:
		case <-h.r.ctx.Done():
			h.r.t.Fatalf("it shows %s, %v; want %s", is.State, is.Err, state)
		}
	}
}

func (r *rig) put(path, value string) int64 {
	r.t.Helper()
	answer, err := r.client.Put(r.ctx, "/drm/"+path, value)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.Header.Revision
}

// publish puts so many events, from a number on, a hundred in a transaction.
func (r *rig) publish(from, n int) {
	r.t.Helper()
	for i := 0; i < n; i += 100 {
		var ops []clientv3.Op
		for j := from + i; j < from+min(i+100, n); j++ {
			ops = append(ops, clientv3.OpPut("/drm/topics/t/"+eventID(j), fmt.Sprintf(`{"data":{"n":%d}}`, j)))
		}
		if _, err := r.client.Txn(r.ctx).Then(ops...).Commit(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// known returns once the node knows of all that was published or deleted before.
func (r *rig) known() {
	r.t.Helper()
	last := events.Event{Topic: "other", ID: "e", At: events.Position{Rev: r.put("topics/other/e", "1")}}
	if _, err := r.runner.log.Get(r.ctx, last.Ref()); err != nil {
		r.t.Fatal(err)
	}
}

func eventID(i int) string { return fmt.Sprintf("e%05d", i) }

// ledger returns what is on record of a webhook as of one revision, by name, and the cursor.
func (r *rig) ledger(id string) (map[string]string, cursor) {
	r.t.Helper()
	below := "/drm/" + cluster.StatePath(cluster.Key{Kind: Kind, ID: id}, "")
	answer, err := r.client.Get(r.ctx, below, clientv3.WithPrefix())
	if err != nil {
		r.t.Error(err)
		return nil, cursor{}
	}
	found, c := map[string]string{}, cursor{}
	for _, kv := range answer.Kvs {
		found[strings.TrimPrefix(string(kv.Key), below)] = string(kv.Value)
	}
	if at, ok := found[cursorName]; ok {
		if err := json.Unmarshal([]byte(at), &c); err != nil {
			r.t.Error(err)
		}
	}
	return found, c
}

// recorded returns once what is on record of a webhook is as it should be.
func (r *rig) recorded(id, what string, ok func(found map[string]string, c cursor) bool) {
	r.t.Helper()
	below := "/drm/" + cluster.StatePath(cluster.Key{Kind: Kind, ID: id}, "")
	watching := r.client.Watch(clientv3.WithRequireLeader(r.ctx), below, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	var last map[string]string
	for {
		if _, open := <-watching; !open {
			r.t.Fatalf("%s: not within the time; on record is %v", what, last)
		}
		found, c := r.ledger(id)
		if ok(found, c) {
			return
		}
		last = found
	}
}

// settled returns once a webhook has taken up the log to an event, and nothing is on its way or waits.
func (r *rig) settled(id string, last int) {
	r.t.Helper()
	r.recorded(id, "all settled up to "+eventID(last), func(found map[string]string, c cursor) bool {
		for name := range found {
			if strings.HasPrefix(name, waitingDir) {
				return false
			}
		}
		return strings.HasSuffix(c.At.Name, eventID(last)) && len(c.Flight) == 0
	})
}

// below returns the ids of the events that are on record in a directory.
func below(found map[string]string, dir string) (ids []string) {
	for name := range found {
		if ref, ok := strings.CutPrefix(name, dir); ok {
			ids = append(ids, ref[strings.LastIndexByte(ref, '~')+1:])
		}
	}
	return ids
}

// counts returns how many POSTs of each event have come.
func (r *receiver) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for _, q := range r.requests {
		n[q.Header.Get("Webhook-Id")]++
	}
	return n
}
