package main

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	// lookEvery bounds how late a passed deadline is noticed after the machine was suspended: Go's timers stand
	// still meanwhile, the deadline doesn't.
	lookEvery = 250 * time.Millisecond
	// atOnce is how long a worker may take to stop everything after a second signal.
	atOnce = 5 * time.Second
	// revokeTimeout bounds the wish to be quick: what is not revoked by then expires with its TTL.
	revokeTimeout = 3 * time.Second
)

// Lines of the supervisor's log that "drm dev" reads.
const (
	workerStarted = "worker started"
	workerEnded   = "worker ended"
)

// supervisor watches one worker. It holds no resource and knows nothing of them: it ends the worker when its trust is
// over, and when the worker is gone, with everything that it started, gives its leases back at once.
type supervisor struct {
	log      *slog.Logger
	clock    func() cluster.Instant
	store    cluster.Store
	reload   func() // on SIGHUP
	family   *family
	worker   *child
	guard    *guardReader
	signals  <-chan os.Signal
	lifeline <-chan struct{} // closed when whoever started us is gone; nil: nobody minds

	early  []os.Signal // came before the worker could take them
	asked  int         // how often the worker was asked to end
	fenced bool        // it was killed because its deadline had passed
}

// watch returns the exit code once the worker has ended, nothing that it started is left and its leases are revoked.
func (s *supervisor) watch() int {
	status := s.untilExit()
	began := time.Now()
	code := exitCode(status)
	if s.fenced {
		code = exitFenced
	}
	level := slog.LevelInfo
	if code != exitOK {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, workerEnded, "worker", s.worker.pid, "code", code)
	if left := s.family.end(); left > 0 {
		s.log.Warn("killed what the worker left behind", "processes", left)
	}
	if g := s.guard.latest(); len(g.Live) > 0 {
		s.giveBack(g.Leases(), began)
	}
	return code
}

// untilExit passes signals on until wait4 says that the worker has ended.
func (s *supervisor) untilExit() syscall.WaitStatus {
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	var tooLong <-chan time.Time
	lifeline := s.lifeline
	for {
		select {
		case status := <-s.worker.exited:
			return status
		case sig := <-s.signals:
			if sig == syscall.SIGHUP {
				s.reload()
			}
			tooLong = s.pass(sig, tooLong)
		case <-lifeline:
			lifeline = nil
			s.log.Warn("the process that started this one is gone; ending")
			// It was the cluster's etcd too. Two requests mean: at once; of one signal, two could become one.
			tooLong = s.pass(syscall.SIGTERM, s.pass(syscall.SIGINT, tooLong))
		case <-tooLong:
			s.worker.signal(syscall.SIGKILL)
			s.log.Error("worker did not end; killed it", "worker", s.worker.pid)
		case <-look.C:
			look.Reset(s.look())
		}
	}
}

// pass gives a signal to the worker; from the second request to end on, it has a few seconds. A process that has
// only just begun would die of any signal, so they wait until the worker has said its first word.
func (s *supervisor) pass(sig os.Signal, tooLong <-chan time.Time) <-chan time.Time {
	if s.guard.latest(); s.guard.any {
		s.worker.signal(sig)
	} else {
		s.early = append(s.early, sig)
	}
	if sig == syscall.SIGHUP {
		return tooLong
	}
	if s.asked++; s.asked == 2 {
		return time.After(atOnce)
	}
	return tooLong
}

// look kills a worker whose deadline has passed, however stopped or stuck it is, and returns when to look again.
func (s *supervisor) look() time.Duration {
	g := s.guard.latest()
	if s.guard.any {
		for _, sig := range s.early {
			s.worker.signal(sig)
		}
		s.early = nil
	}
	if g.Deadline == 0 {
		return lookEvery
	}
	left := g.Deadline.Sub(s.clock())
	if left > 0 {
		return min(left, lookEvery)
	}
	s.worker.signal(syscall.SIGKILL) // before a word is said of it: whoever reads the log may have stopped too
	if !s.fenced {
		s.fenced = true
		s.log.Error("worker did not renew its leases in time; killed it", "worker", s.worker.pid, "late", -left)
	}
	return lookEvery
}

// giveBack revokes the leases of the term; one that is gone already is no error.
func (s *supervisor) giveBack(ids []cluster.LeaseID, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), revokeTimeout)
	defer cancel()
	if err := cluster.RevokeTerm(ctx, s.store, ids); err != nil {
		s.log.Error("revoke leases; those left expire with their TTL", "leases", len(ids), "err", err)
		return
	}
	s.log.Info("gave leases back", "leases", len(ids), "took", time.Since(began))
}
