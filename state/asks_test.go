package state

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// Seen to fail with Answer leaving the ask where it is, and with replace telling nobody.
func TestTheHolderDoesWhatIsAsked(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	c := claim(t, s, "a")
	commit(t, s, cluster.Op{Path: cluster.AskPath(c.Key, "before"), Value: []byte(`{"do":"before"}`)})
	p := run(t, s, Options{}).Page(c)
	defer p.Close()
	answers := map[string]bool{}
	for _, want := range []string{`{"do":"before"}`, `{"do":"drop"}`, `{"do":"drop"}`} {
		answered := make(chan error, 1)
		if strings.Contains(want, "drop") {
			go func() {
				_, err := Request(timeout(t), s, c.Key, map[string]string{"do": "drop"})
				answered <- err
			}()
		} else {
			answered <- nil
		}
		var pending []Ask
		for late := timeout(t); len(pending) == 0; {
			select {
			case <-p.Asked():
				// What was answered may still be there for a moment.
				pending = slices.DeleteFunc(p.Pending(), func(a Ask) bool { return answers[a.Name] })
			case <-late.Done():
				t.Fatalf("not told of %s", want)
			}
		}
		if len(pending) != 1 || string(pending[0].Value) != want {
			t.Fatalf("asked %+v; want %s", pending, want)
		}
		if err := p.Answer(timeout(t), pending[0], put("done", want)); err != nil {
			t.Fatal(err)
		}
		if err := <-answered; err != nil {
			t.Errorf("%s: %v", want, err)
		}
		answers[pending[0].Name] = true
	}
	if found := kept(t, s, c.Key); found["done"] != `{"do":"drop"}` {
		t.Errorf("kept %v", found)
	}
}

// An ask that was written again is another one. Seen to fail with Answer deleting it whatever its revision.
func TestAnAskThatWasWrittenAgainStays(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	c := claim(t, s, "a")
	path := cluster.AskPath(c.Key, "x")
	ask := Ask{Name: "x", Rev: commit(t, s, cluster.Op{Path: path}).Rev}
	commit(t, s, cluster.Op{Path: path, Value: []byte("again")})
	p := run(t, s, Options{}).Page(c)
	for _, changes := range [][]Change{nil, {put("done", "…")}} {
		if err := p.Answer(timeout(t), ask, changes...); err != nil {
			t.Errorf("answer with %d changes: %v", len(changes), err)
		}
	}
	if found, err := s.Read(timeout(t), path); err != nil || found[0].Deleted || len(kept(t, s, c.Key)) != 1 {
		t.Errorf("the second ask: %+v, %v", found, err)
	}
}

// Seen to fail with Request leaving the ask behind.
func TestWhatNobodyDoesIsTakenBack(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	c := claim(t, s, "held")
	for _, want := range []struct {
		key  cluster.Key
		says string
	}{{c.Key, "node a holds it"}, {cluster.Key{Kind: "webhook", ID: "free"}, "nobody holds it"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := Request(ctx, s, want.key, "…")
		cancel()
		if !errors.Is(err, ErrUnanswered) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: %v; want that it was taken back, and that %s", want.key, err, want.says)
		}
	}
	if err := s.List(timeout(t), lease.Range{Below: askRoot}, func(b cluster.Batch) error {
		if len(b.Records) != 0 {
			t.Errorf("left behind: %+v", b.Records)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
