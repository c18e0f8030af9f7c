package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// screen prints lines as things happen and, on a terminal, keeps a few lines with the present state below them.
// Elsewhere it prints lines only. It is used by one goroutine.
type screen struct {
	w      io.Writer
	tty    *os.File // nil: not a terminal
	footer func() []string
	drawn  int      // lines of the footer that are on the terminal,
	shown  []string // and what they were made of
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, footer: func() []string { return nil }}
	if f, ok := w.(*os.File); ok {
		if _, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.tty = f
		}
	}
	return s
}

// print prints lines above the footer.
func (s *screen) print(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.tty == nil {
		fmt.Fprintln(s.w, text)
		return
	}
	fmt.Fprintf(s.w, "%s%s\n", s.wipe(), text)
	s.draw()
}

// refresh draws the footer again if it has changed.
func (s *screen) refresh() {
	if s.tty == nil || slices.Equal(s.footer(), s.shown) {
		return
	}
	fmt.Fprint(s.w, s.wipe())
	s.draw()
}

// leave lets the footer stand as it is; what is printed from now on comes below it.
func (s *screen) leave() {
	s.drawn, s.shown = 0, nil
	s.footer = func() []string { return nil }
}

// wipe is what moves to the footer's first line and clears the rest of the terminal.
func (s *screen) wipe() string {
	if s.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", s.drawn)
}

// draw writes the footer, cut to the width of the terminal: a line that wraps could not be wiped.
func (s *screen) draw() {
	width := 80
	if size, err := unix.IoctlGetWinsize(int(s.tty.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		width = int(size.Col)
	}
	s.shown = s.footer()
	lines := slices.Clone(s.shown)
	s.drawn = len(lines)
	for i, line := range lines {
		if runes := []rune(line); len(runes) >= width {
			lines[i] = string(runes[:width-1])
		}
	}
	if len(lines) > 0 {
		fmt.Fprintln(s.w, strings.Join(lines, "\n"))
	}
}
