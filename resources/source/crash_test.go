package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/state"
)

// However often holders end amid their work, each resource has its record and each record its resource, nothing of anybody else's is touched, and
// whoever comes to the end of the list has it as it is. Seen to fail with records written in a request of their own.
func TestHoldersEndAtAnyPoint(t *testing.T) {
	rig := newRig(t)
	s := serve(t, "")
	random := rand.New(rand.NewPCG(3, 3))
	rig.put(socket("mine"), `{"url": "wss://x.example/0"}`)
	over := errors.New("over")
	commits := 0
	var cancel context.CancelCauseFunc
	watched, err := lease.Open(lease.Config{
		Endpoints: rig.endpoints, RequestTimeout: time.Minute,
		Observe: func(op string, _ time.Duration, _ error) {
			if op != "commit" {
				return
			}
			if commits--; commits == 0 {
				cancel(over)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer watched.Close()
	rig.o.Book = state.Open(watched, state.Options{})
	ended := 0
	for round := range 12 {
		var entries []string
		for i := range 400 {
			if random.IntN(2) == 0 {
				entries = append(entries, fmt.Sprintf("%d=%d", i, random.IntN(2)))
			}
		}
		if round == 11 {
			commits = -1 // this one comes to the end
		} else {
			commits = 1 + random.IntN(4)
		}
		want := append(slices.Clone(entries), "mine=0")
		slices.SortFunc(want, func(a, b string) int { return strings.Compare(key(a), key(b)) })
		s.now(says(list(entries...)))
		var ctx context.Context
		ctx, cancel = context.WithCancelCause(t.Context())
		h, err := rig.begin(ctx, rig.claim("s", s.spec(t, all)))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.loop.Poll(h.poll); errors.Is(err, over) {
			ended++
		} else if err != nil {
			t.Fatal(err)
		} else if got := rig.there(); got != strings.Join(want, " ") {
			t.Fatalf("there is %s; want %s", got, want)
		}
		cancel(nil)
		rig.agrees(h)
	}
	if ended < 5 {
		t.Errorf("only %d holders ended amid their work", ended)
	}
}

func key(entry string) string { return entry[:strings.Index(entry, "=")] }

// agrees expects each resource but mine to have a record of its spec, and each record its resource.
func (r *rig) agrees(h *hold) {
	r.t.Helper()
	records, err := state.Load(r.t.Context(), r.store, h.claim.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	specs := map[string]string{}
	err = r.store.List(r.t.Context(), lease.Range{Below: socket("")}, func(b cluster.Batch) error {
		for _, record := range b.Records {
			specs[ownedDir+"websocket/"+strings.TrimPrefix(record.Path, socket(""))] = string(record.Value)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, record := range records {
		if as := digestOf([]byte(specs[record.Name])); fmt.Sprintf("%x", as[:]) != string(record.Value) {
			r.t.Fatalf("%s is on record as %s; there is %q", record.Name, record.Value, specs[record.Name])
		}
	}
	if len(records) != len(specs)-1 {
		r.t.Fatalf("%d records of %d resources", len(records), len(specs)-1)
	}
}

// BenchmarkSource lists a hundred thousand resources, and then again with half of them changed.
func BenchmarkSource(b *testing.B) {
	const n = 100_000
	rig := newRig(b)
	s := serve(b, "")
	h := rig.hold("s", s.spec(b, all+`, "max_body": "64MiB", "timeout": "1m"`))
	for round := 0; b.Loop(); round++ {
		entries := make([]string, n)
		for i := range entries {
			entries[i] = fmt.Sprintf("%d=%d", i, round*(i%2))
		}
		s.now(says(list(entries...)))
		h.once(b)
		if err := rig.shown["s"].Err; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n, "resources")
}
