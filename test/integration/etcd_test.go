//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/recorder"
)

// quiet checks that no connection was closed or opened since a moment.
func (w *world) quiet(since time.Time) {
	w.t.Helper()
	r := w.rec.Record()
	closed := 0
	for _, c := range r.Conns {
		if !c.Open() && c.Closed.After(since) {
			closed++
		}
	}
	if opened := len(r.Since(since)); closed+opened > 0 {
		w.t.Errorf("%d connections were closed and %d opened, want none", closed, opened)
	}
}

// proveAlive puts more resources and waits until they are held: the nodes have not only gone on, they work.
func (w *world) proveAlive(from, to int) {
	w.t.Helper()
	w.putResources(from, to)
	w.allHeld(to)
}

func TestEtcdRestarted(t *testing.T) {
	etcd := etcdtest.Processes(t, 1)
	w := newWorld(t, etcd.Endpoints(), "--ttl=8s")
	w.populate(3, 100)
	at := time.Now()
	etcd.Members[0].Kill()
	etcd.Members[0].Restart()
	etcd.Members[0].WaitReady()
	t.Logf("etcd was away for %v", time.Since(at).Round(time.Millisecond))
	w.proveAlive(100, 110)
	w.logGaps(at)
}

// An election costs nobody anything.
func TestEtcdLeaderKilled(t *testing.T) {
	etcd := etcdtest.Processes(t, 3, "--heartbeat-interval=100", "--election-timeout=1000")
	w := newWorld(t, etcd.Endpoints(), "--ttl=8s")
	w.populate(3, 100)
	leader := etcd.Leader()
	at := time.Now()
	etcd.Members[leader].Kill()
	etcd.Members[(leader+1)%3].WaitReady()
	t.Logf("a new leader answered %v later", time.Since(at).Round(time.Millisecond))
	w.proveAlive(100, 110)
	w.expire(at, 8*time.Second)
	for _, c := range w.rec.Record().Conns {
		if !c.Open() {
			t.Errorf("a connection was closed: %+v", c)
		}
	}
}

// A member that is neither dead nor alive costs nobody anything, for however long.
func TestEtcdFollowerFrozen(t *testing.T) {
	etcd := etcdtest.Processes(t, 3, "--heartbeat-interval=100", "--election-timeout=1000")
	w := newWorld(t, etcd.Endpoints())
	w.populate(3, 100)
	leader := etcd.Leader()
	follower := etcd.Members[(leader+1)%3]
	// The operator asks a member that answers; etcd's own client would wait for the frozen one.
	w.Client = etcdtest.Client(t, []string{etcd.Members[leader].Endpoint})
	at := time.Now()
	follower.Stop()
	w.expire(at, 2*ttl)
	w.quiet(at)
	w.proveAlive(100, 110)
	follower.Cont()
}

// Without etcd nobody can know that it still holds anything: all stop by themselves, and all is held again when it is back.
func TestEtcdAway(t *testing.T) {
	etcd := etcdtest.Processes(t, 1)
	w := newWorld(t, etcd.Endpoints())
	w.populate(3, 100)
	held := open(w.rec.Record())
	at := time.Now()
	etcd.Members[0].Kill()
	w.allHeld(0)
	t.Logf("all was let go %v after etcd had gone", time.Since(at).Round(time.Millisecond))
	if late := time.Since(at); late > ttl {
		t.Errorf("it took %v, longer than the TTL", late)
	}
	w.expire(at, ttl+time.Second)
	for _, n := range w.Nodes() {
		if !n.Worker.Running() {
			t.Errorf("node %s has ended with code %d", n.ID, n.Code())
		}
	}
	etcd.Members[0].Restart()
	w.reopened(held, 100, at)
}

func open(r recorder.Record) []recorder.Conn {
	var all []recorder.Conn
	for _, c := range r.Last() {
		if c.Open() {
			all = append(all, c)
		}
	}
	return all
}

// expire returns when a time has passed since a moment: time itself is what is tested here.
func (w *world) expire(since time.Time, d time.Duration) {
	timer := time.NewTimer(time.Until(since.Add(d)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}
