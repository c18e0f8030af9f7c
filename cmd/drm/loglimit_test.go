package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What runners log about thousands of resources is bounded, however their loggers were made, and how much was left out is said. Seen to
// fail with a budget of its own for each WithAttrs.
func TestLogLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newLogLimit(newLog(&out, "text", slog.LevelInfo)))
		for i := range 5 * linesPerSecond {
			log.With("resource", fmt.Sprint("r", i)).Warn("connection lost")
		}
		log.Error("always said")
		time.Sleep(time.Second)
		log.Info("the next second")
		got := out.String()
		if n := strings.Count(got, "connection lost"); n != linesPerSecond {
			t.Errorf("%d lines in a second; want %d", n, linesPerSecond)
		}
		for _, want := range []string{"always said", "the next second", fmt.Sprintf("count=%d", 4*linesPerSecond)} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in the log", want)
			}
		}
		out.Reset()
		log = slog.New(newLogLimit(newLog(&out, "text", slog.LevelDebug)))
		for range 2 * linesPerSecond {
			log.Warn("connection lost")
		}
		if n := strings.Count(out.String(), "connection lost"); n != 2*linesPerSecond {
			t.Errorf("%d lines at level debug; want all %d", n, 2*linesPerSecond)
		}
	})
}
