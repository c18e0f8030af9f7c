package main

import (
	"context"
	"log/slog"
	"os/exec"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// hungLog takes no line until something has happened.
type hungLog struct {
	slog.Handler
	until <-chan struct{}
}

func (hungLog) Enabled(context.Context, slog.Level) bool { return true }

func (h hungLog) Handle(context.Context, slog.Record) error {
	<-h.until
	return nil
}

// A full pipe holds up whoever writes to the log, worker and supervisor alike. Seen to fail (to hang) with the line
// written before the worker is killed.
func TestALogThatHangsDelaysNoKill(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = sleep.Wait() // that it was killed is what the test is about
	}()
	guard, worker := guardPipe(t)
	worker.tell(cluster.Guarded{Term: 1, Named: 1, Live: []cluster.Span{{}}, Deadline: 1})
	s := &supervisor{
		log:   slog.New(hungLog{slog.DiscardHandler, dead}),
		clock: lease.Boottime, guard: guard, worker: &child{pid: sleep.Process.Pid, handle: sleep.Process},
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		s.look()
	}()
	select {
	case <-dead:
	case <-time.After(within):
		t.Error("the worker lives on while a line about it waits to be written")
		_ = sleep.Process.Kill()
	}
	<-looked
}
