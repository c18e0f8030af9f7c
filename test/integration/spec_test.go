//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/recorder"
)

// about is what a node tells of a resource.
type about struct {
	Holder  string
	State   string
	Error   string `json:"last_error"`
	Pending *struct{ Reason, Detail string }
	Status  *struct {
		State string
		Error string `json:"last_error"`
	}
}

func (w *world) about(node int, id string) (a about) {
	w.t.Helper()
	w.must(w.node(node).Get(w.ctx, "/v1/resources/websocket/"+id, &a))
	return a
}

func (w *world) put(id, spec string) {
	w.t.Helper()
	w.must(w.Put(w.ctx, path(id), spec))
}

// connected waits for the next connection for a resource, after the first n.
func (w *world) connected(id string, n int) recorder.Conn {
	w.t.Helper()
	var all []recorder.Conn
	w.wait(fmt.Sprintf("connection %d for %s", n+1, id), func(recorder.Record) bool {
		all = w.rec.Record().Of(id)
		return len(all) > n && all[n].Open()
	})
	return all[n]
}

func TestResourceAddedChangedPausedRemoved(t *testing.T) {
	w := onEtcd(t, 3, 10)
	w.put("a", w.spec("a", ""))
	first := w.connected("a", 0)
	w.allHeld(11)

	w.put("a", w.spec("a", `, "subscribe": ["changed"]`))
	second := w.connected("a", 1)
	if second.Epoch <= first.Epoch {
		t.Errorf("after the change its epoch is %d, before it was %d", second.Epoch, first.Epoch)
	}
	w.wait("what it subscribes to", func(recorder.Record) bool { return w.rec.Record().Of("a")[1].Received > 0 })

	w.put("a", w.spec("a", `, "paused": true`))
	w.allHeld(10)
	w.eventually("it is said to be paused", func() (bool, string) {
		a := w.about(0, "a")
		return a.Pending != nil && a.Pending.Reason == "paused", fmt.Sprintf("%+v", a)
	})
	w.put("a", w.spec("a", ""))
	w.connected("a", 2)
	w.allHeld(11)

	w.must(w.Delete(w.ctx, path("a")))
	w.allHeld(10)
	w.deleted("claims/websocket/a")

	w.put("a", w.spec("a", ""))
	w.connected("a", 3)
	if anew := len(w.rec.Record().Conns); anew != 14 {
		t.Errorf("there were %d connections, want 14: the others had nothing to do with it", anew)
	}
}

// Changing what only planning cares for disturbs nothing.
func TestWeightChanged(t *testing.T) {
	w := onEtcd(t, 2, 10)
	at := time.Now()
	w.put("r0", w.spec("r0", `, "weight": 2`))
	w.proveAlive(10, 11)
	for _, c := range w.rec.Record().Of("r0") {
		if !c.Open() {
			t.Errorf("%+v was closed", c)
		}
	}
	w.logGaps(at)
}

// The last good spec keeps running, and the log, the metrics and the API all say that there is a newer one and what is
// wrong with it; also after the resource has moved.
func TestInvalidSpec(t *testing.T) {
	w := onEtcd(t, 2, 10)
	at := time.Now()
	w.put("r0", w.spec("r0", `, "subscribee": ["x"]`))
	holder := w.told("r0", "subscribee", 0)
	w.quiet(at)

	next := w.node(1 - holder)
	_, err := w.node(holder).Leave(w.ctx)
	w.must(err)
	w.allHeld(10)
	w.told("r0", "subscribee", 1-holder)

	w.put("r0", w.spec("r0", ""))
	w.eventually("all is well again", func() (bool, string) {
		a := w.about(1-holder, "r0")
		m, err := next.Metrics(w.ctx)
		w.must(err)
		return a.Error == "" && a.Status == nil && m[`drm_invalid_specs{kind="websocket"}`] == 0, fmt.Sprintf("%+v", a)
	})
	w.deleted("status/websocket/r0")
}

// told waits until a resource that is held is said to have an invalid spec everywhere, and returns the holder; only
// nodes from the first one given on are asked.
func (w *world) told(id, word string, first int) int {
	w.t.Helper()
	holder := -1
	w.eventually("it is said to be invalid", func() (bool, string) {
		for i := range w.Nodes()[first:] {
			if i += first; !w.node(i).Supervisor.Running() {
				continue
			}
			a := w.about(i, id)
			trouble := a.Error
			if a.Status != nil {
				trouble += a.Status.Error
			}
			if !strings.Contains(trouble, word) {
				return false, fmt.Sprintf("%+v", a)
			}
			if w.node(i).ID == a.Holder {
				holder = i
			}
		}
		return holder >= 0, "no node holds it"
	})
	w.eventually("metrics and log say so", func() (bool, string) {
		m, err := w.node(holder).Metrics(w.ctx)
		w.must(err)
		return m[`drm_invalid_specs{kind="websocket"}`] == 1 && strings.Contains(w.node(holder).Log(), word), w.node(holder).Tail()
	})
	return holder
}

// A resource whose very first spec is invalid is held by nobody's connection, and says why.
func TestInvalidFromTheStart(t *testing.T) {
	w := onEtcd(t, 2, 5)
	for id, c := range map[string]struct{ spec, word string }{
		"text":     {`{"url": "ws://`, "JSON"},
		"unknown":  {w.spec("unknown", `, "urll": "x"`), "urll"},
		"type":     {w.spec("type", `, "max_lifetime": 5`), "max_lifetime"},
		"negative": {w.spec("negative", `, "idle_timeout": "-5s"`), "idle_timeout"},
		"absurd":   {w.spec("absurd", `, "idle_timeout": "900000h"`), "idle_timeout"},
		"nourl":    {`{}`, "url"},
		"badurl":   {`{"url": "http//x"}`, "url"},
		"userinfo": {`{"url": "ws://me:secret@127.0.0.1/"}`, "url"},
		"empty":    {"", "empty"},
		"weight":   {w.spec("weight", `, "weight": -1`), "weight"},
	} {
		w.put(id, c.spec)
		w.eventually(id+" is said to be invalid", func() (bool, string) {
			a := w.about(0, id)
			said := fmt.Sprintf("%+v %+v %+v", a, a.Status, a.Pending)
			return strings.Contains(said, c.word) && strings.Contains(said, "invalid"), said
		})
		if strings.Contains(fmt.Sprint(w.about(0, id)), "secret") {
			t.Errorf("%s: a password is shown", id)
		}
	}
	w.put("text", w.spec("text", ""))
	w.connected("text", 0)
	if r := w.rec.Record(); len(r.Conns) != 6 {
		t.Errorf("%d connections were made, want 6", len(r.Conns))
	}
}
