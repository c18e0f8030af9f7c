//go:build linux

package integration

import (
	"testing"
	"time"
)

const killed = 128 + 9

// The supervisor gives the dead worker's leases back, so nobody waits for a TTL, and ends itself.
func TestKilledWorker(t *testing.T) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	victim.Worker.Kill()
	w.reopened(lost, 100, at)
	w.left(victim, killed)
	if elapsed := time.Since(at); elapsed > ttl {
		t.Errorf("it took %v: the leases were left to expire", elapsed)
	}
	for _, c := range w.rec.Record().Conns {
		if !c.Open() && c.Closed.Before(at) {
			t.Errorf("%+v was closed before anything was killed", c)
		}
	}
}

// A worker without its supervisor hands everything off and ends.
func TestKilledSupervisor(t *testing.T) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	victim.Supervisor.Kill()
	w.reopened(lost, 100, at)
	w.ended(victim.Worker)
	if elapsed := time.Since(at); elapsed > ttl {
		t.Errorf("it took %v: the leases were left to expire", elapsed)
	}
}

// When both are gone, as with the loss of a machine, the leases expire.
func TestKilledWorkerAndSupervisor(t *testing.T) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	victim.Supervisor.Kill()
	victim.Worker.Kill()
	w.reopened(lost, 100, at)
}

// A node that comes back proves that its earlier life is over, and doesn't wait for the old leases to expire.
func TestReturnAfterKill(t *testing.T) {
	w := onEtcd(t, 1, 20)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	at := time.Now()
	victim.Supervisor.Kill()
	victim.Worker.Kill()
	w.start(victim.ID)
	w.reopened(lost, 20, at)
	if elapsed := time.Since(at); elapsed > ttl {
		t.Errorf("it took %v: the leases were left to expire", elapsed)
	}
}
