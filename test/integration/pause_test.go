//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

const fenced = 70

// A worker that stands still is ended by its supervisor before etcd can give its resources to others.
func TestPausedWorker(t *testing.T) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	w.must(victim.Worker.Stop(w.ctx))
	w.rec.Send("are you there?")
	w.reopened(lost, 100, at)
	w.left(victim, fenced)
}

// A pause that is over before trust is, costs nothing.
func TestShortPause(t *testing.T) {
	w := onEtcd(t, 2, 50)
	victim := w.node(0)
	w.must(victim.Worker.Stop(w.ctx))
	victim.Worker.Cont()
	w.rec.Send("are you there?")
	w.putResources(50, 60)
	w.allHeld(60)
	if anew := len(w.rec.Record().Conns) - 60; anew != 0 {
		t.Errorf("%d connections were opened anew", anew)
	}
}

// Where worker and supervisor stand still, nobody can close their sockets, and others take over when the leases have
// expired: so for a while there are two connections in the kernel. That is the one exception. Then nothing may be sent
// on the old ones, they close within a second of waking up, and a dial from there carries the older epoch.
//
// It matters who wakes up first: a supervisor ends its worker, a worker alone has to find out by itself.
//
// Seen to fail: with the websocket's writes not asking whether trust has ended, the worker that wakes first answers a ping.
func TestPausedWorkerAndSupervisor(t *testing.T) {
	for name, wake := range map[string]func(*world, *fleet.Node){
		"supervisor wakes first": func(w *world, n *fleet.Node) {
			n.Supervisor.Cont()
			n.Worker.Cont()
			w.left(n, fenced)
		},
		"worker wakes first": func(w *world, n *fleet.Node) {
			n.Worker.Cont()
			w.allHeld(100) // by the others: what it had is closed
			n.Supervisor.Cont()
		},
	} {
		t.Run(name, func(t *testing.T) { pauseBoth(t, wake) })
	}
}

func pauseBoth(t *testing.T, wake func(*world, *fleet.Node)) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	w.must(victim.Supervisor.Stop(w.ctx))
	w.must(victim.Worker.Stop(w.ctx))
	frozen := map[string]recorder.Conn{}
	for _, c := range lost {
		frozen[c.Resource] = c
	}
	w.wait("connections opened elsewhere", func(r recorder.Record) bool {
		return r.Held == 100 && r.Open == 100+len(lost)
	})
	t.Logf("taken over %v after the pause began", time.Since(at).Round(time.Millisecond))

	w.rec.Send("are you there?") // what waits for the sleeper to be answered
	woken := time.Now()
	wake(w, victim)
	w.allHeld(100)

	r, latest := w.rec.Record(), time.Duration(0)
	for _, c := range r.Conns {
		if before, ok := frozen[c.Resource]; ok && c.Epoch == before.Epoch {
			latest = max(latest, c.Closed.Sub(woken))
		}
	}
	t.Logf("the old connections were closed %v after waking up", latest.Round(time.Millisecond))
	if latest > time.Second {
		t.Errorf("an old connection was closed %v after waking up", latest)
	}
	w.excuse(r, frozen)
}

// excuse takes the overlaps out of the record that a frozen node can't help, and judges those.
func (w *world) excuse(r recorder.Record, frozen map[string]recorder.Conn) {
	w.t.Helper()
	sent := map[string]int64{}
	for _, c := range r.Conns {
		if f, ok := frozen[c.Resource]; ok && c.Epoch == f.Epoch {
			sent[c.Resource] = c.Received
		}
	}
	for _, o := range r.Overlaps {
		f, ok := frozen[o.Older.Resource]
		switch {
		case !ok || o.Older.Epoch != f.Epoch:
			w.t.Errorf("a resource had two connections, and not because its holder was frozen: %+v", o)
		case o.Newer.Epoch <= o.Older.Epoch:
			w.t.Errorf("the connection that took over has no higher epoch: %+v", o)
		case sent[o.Older.Resource] != o.Older.Received:
			w.t.Errorf("%s: %d bytes were sent on the connection of a holder that had been replaced",
				o.Older.Resource, sent[o.Older.Resource]-o.Older.Received)
		}
	}
	w.excused = len(r.Overlaps)
}
