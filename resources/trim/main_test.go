package trim

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// rig is a real etcd and what a node has on it, with a clock that the test sets.
type rig struct {
	t       *testing.T
	ctx     context.Context
	e       *etcdtest.Server
	store   *lease.Store
	runner  *Runner
	now     cluster.Instant
	trimmed map[string]int // by reason
	log     *strings.Builder
}

func newRig(t *testing.T, configure ...func(*embed.Config)) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{t: t, e: etcdtest.Start(t, configure...), trimmed: map[string]int{}, log: &strings.Builder{}, now: 1}
	store, err := lease.Open(lease.Config{Endpoints: r.e.Endpoints(), RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	book := state.Open(store, state.Options{})
	running.Go(func() { _ = book.Run(ctx) })
	r.ctx, r.store = ctx, store
	r.runner = New(Options{
		Store: store, Book: book, Clock: func() cluster.Instant { return r.now },
		Meter:  resources.Meter{Trimmed: func(reason string, n int) { r.trimmed[reason] += n }},
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	return r
}

// put writes keys, a hundred at a time, and returns the revision of the last; a value of "" deletes.
func (r *rig) put(pairs ...string) (rev int64) {
	r.t.Helper()
	for pairs := range slices.Chunk(pairs, 200) {
		var ops []cluster.Op
		for i := 0; i < len(pairs); i += 2 {
			ops = append(ops, cluster.Op{Path: pairs[i], Value: []byte(pairs[i+1]), Delete: pairs[i+1] == ""})
		}
		answer, err := r.store.Commit(r.ctx, ops)
		if err != nil {
			r.t.Fatal(err)
		}
		rev = answer.Rev
	}
	return rev
}

// publish puts n events of a topic, from a number on, and returns the revision of the last.
func (r *rig) publish(topic string, from, n int) int64 {
	r.t.Helper()
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("topics/%s/e%06d", topic, from+i), "1")
	}
	return r.put(pairs...)
}

// passed writes down that a webhook has passed a revision, as its holder would.
func (r *rig) passed(id string, rev int64, more string, topics ...string) {
	r.t.Helper()
	names, err := json.Marshal(topics)
	if err != nil {
		r.t.Fatal(err)
	}
	r.put("state/webhook/"+id+"/cursor", fmt.Sprintf(`{"topics":%s,"at":{"rev":"%d","name":"~"}%s}`, names, rev, more))
}

// there lists what lies below a path, each without it.
func (r *rig) there(below string) (names []string) {
	r.t.Helper()
	err := each(r.ctx, r.store, lease.Range{Below: below, KeysOnly: true}, func(rec cluster.Record) { names = append(names, rec.Path[len(below):]) })
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

// events lists the events there are, and fails the test if they are not those that it wants.
func (r *rig) want(want ...string) {
	r.t.Helper()
	if got := r.there("topics/"); !slices.Equal(got, want) {
		r.t.Errorf("there are the events %q; want %q", got, want)
	}
}

// hold begins a run under a new epoch.
func (r *rig) hold(spec string) *hold {
	r.t.Helper()
	s, err := readSpec([]byte(spec))
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(cluster.ResourcePath(Key), spec)
	epoch := r.put(cluster.ClaimPath(Key), "{}")
	h, err := r.runner.open(s, cluster.Claim{Key: Key, Epoch: epoch, Held: r.ctx, Report: func(cluster.Condition) {}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(h.page.Close)
	return h
}

// after lets time go by and then has all done that is to be done.
func (r *rig) after(d time.Duration, h *hold) {
	r.t.Helper()
	r.now = r.now.Add(d)
	for more := true; more; {
		var err error
		if more, err = h.round(r.ctx); err != nil {
			r.t.Fatal(err)
		}
	}
}

// short is a spec with which an hour is long.
const short = `{"retention":"1h","max_retention":"10h","max_events":1000}`
