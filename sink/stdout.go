package sink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// writer lets one caller at a time write to standard output. A turn outlives the caller that gives up, when the
// write itself hangs (a pipe that nobody reads): so no more than one goroutine ever hangs, and Set.Close joins it.
type writer struct {
	w    io.Writer
	turn chan struct{} // holds one token while somebody writes
	cut  bool          // the last write ended within a line; owned by whose turn it is
}

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
		w.cut = n > 0 && lines[n-1] != '\n'
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return resources.Cause(ctx)
	}
}

// stdout writes each event as one line of JSON; lines of different resources never mix.
type stdout struct {
	writer  *writer
	meter   *resources.Meter
	trouble func(error)
}

// Send implements Sink.
func (s *stdout) Send(ctx context.Context, messages []Message) error {
	var lines bytes.Buffer
	for _, m := range messages {
		line, err := resources.EncodeJSON(envelope(m))
		if err != nil {
			return &RefusedError{Messages: len(messages), Err: err}
		}
		lines.Write(append(line, '\n'))
	}
	backoff := resources.Backoff{Initial: 200 * time.Millisecond, Max: 30 * time.Second}
	return persist(ctx, backoff, s.trouble, func() error {
		start := time.Now()
		err := s.writer.write(ctx, lines.Bytes())
		s.meter.Send(resources.SinkStdout, time.Since(start), err == nil)
		if err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
		return nil
	})
}
