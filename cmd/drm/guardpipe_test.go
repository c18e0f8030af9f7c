package main

import (
	"os"
	"reflect"
	"syscall"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// guardPipe returns both ends of a pipe within this process; the worker's as the worker opens it.
func guardPipe(t *testing.T) (*guardReader, *guardWriter) {
	t.Helper()
	reader, end, err := newGuardPipe()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(end.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	writer, err := openGuard(fd)
	if err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

func TestGuardPipe(t *testing.T) {
	reader, writer := guardPipe(t)
	if got := reader.latest(); !reflect.DeepEqual(got, cluster.Guarded{}) {
		t.Errorf("before anything was said: %+v", got)
	}
	want := cluster.Guarded{Term: 1<<47 - 1, Named: 9, Live: []cluster.Span{{First: 0, Last: 3}, {First: 8, Last: 8}}, Deadline: 1<<62 + 1}
	writer.tell(cluster.Guarded{Term: 1, Named: 1, Deadline: 1})
	writer.tell(want)
	for range 2 {
		if got := reader.latest(); !reflect.DeepEqual(got, want) {
			t.Errorf("the worker said %+v, the supervisor understood %+v", want, got)
		}
	}
}

// A supervisor that is stopped reads nothing; its worker must go on all the same, and be understood once there is
// room again. Seen to fail (to hang) with a writer that waits for room.
func TestGuardPipeThatNobodyReads(t *testing.T) {
	reader, writer := guardPipe(t)
	for n := range 10_000 { // five times what a pipe holds
		writer.tell(cluster.Guarded{Term: 7, Named: n, Deadline: 1})
	}
	if got := reader.latest(); got.Term != 7 || got.Named < 500 {
		t.Errorf("of what fitted into the pipe, the supervisor understood %+v", got)
	}
	writer.tell(cluster.Guarded{Term: 7, Named: 10_000, Deadline: 2})
	if got := reader.latest(); got.Named != 10_000 || got.Deadline != 2 {
		t.Errorf("after there was room again, the supervisor understood %+v", got)
	}
}

func TestLifelineInProcess(t *testing.T) {
	end, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(end.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	gone, release, err := openLifeline(fd)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Error("gone while the other end is open")
	default:
	}
	hold.Close()
	<-gone
	release()
}
