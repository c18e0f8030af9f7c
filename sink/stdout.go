package sink

import (
	"context"
	"fmt"
	"io"

	"github.com/drm-cluster/drm/resources"
)

// stdoutSpec is {"type": "stdout", …}.
type stdoutSpec struct{ common }

func defaultStdout() *stdoutSpec { return &stdoutSpec{commonly(resources.SinkStdout, 1000)} }

func (s *stdoutSpec) check() error { return nil }

func (s *stdoutSpec) open(set *Set) target { return &stdout{s, set.stdout} }

// stdout writes each message as a line; lines of different resources never mix.
type stdout struct {
	spec   *stdoutSpec
	writer *writer
}

func (s *stdout) send(ctx context.Context, batch []Message) error {
	lines, err := s.spec.lines(batch)
	if err != nil {
		return err
	}
	if err := s.writer.write(ctx, lines); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

func (s *stdout) close() {}

// writer lets one caller at a time write. A turn outlives the caller that gives up, when the write itself hangs (a pipe that
// nobody reads): so no more than one goroutine ever hangs, and who takes the turn joins it.
type writer struct {
	w    io.Writer
	turn chan struct{} // holds one token while somebody writes
	cut  bool          // the last write ended within a line; owned by whose turn it is
}

func newWriter(w io.Writer) *writer { return &writer{w: w, turn: make(chan struct{}, 1)} }

func (w *writer) acquire(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return resources.Cause(ctx)
	}
}

func (w *writer) release() { <-w.turn }

// write writes whole lines in one call and returns when that is done, or ctx ends.
func (w *writer) write(ctx context.Context, lines []byte) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil { // its turn came when ctx had ended already
		w.release()
		return resources.Cause(ctx)
	}
	done := make(chan error, 1)
	go func() {
		defer w.release()
		if w.cut {
			lines = append([]byte("\n"), lines...)
		}
		n, err := w.w.Write(lines)
		if n > 0 {
			w.cut = lines[n-1] != '\n'
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return resources.Cause(ctx)
	}
}
