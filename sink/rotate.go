package sink

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is a file that lines are added to, one caller at a time.
type file struct {
	*writer
	log *logFile
}

func newFile(dir, path string, spec *fileSpec) *file {
	log := &logFile{dir: dir, path: path, rotate: spec.Rotate, sync: spec.Sync}
	return &file{newWriter(log), log}
}

// end closes the file, unless a write hangs: then whatever ends that does, or the end of the process.
func (f *file) end() {
	select {
	case f.turn <- struct{}{}: // and keeps it: nobody writes any more
		f.log.shut()
	default:
	}
}

// logFile is a file that is begun anew as its spec says, and when somebody else has put it aside or deleted it. It is for one goroutine
// at a time. Nothing outside dir is touched, wherever symbolic links below it lead.
type logFile struct {
	dir, path string
	rotate    rotate
	sync      bool

	root    *os.Root
	current *os.File // nil: not open
	size    int64
	written time.Time // when the last line was
}

// Write implements io.Writer. What was written in part is taken back, if the disk lets us.
func (l *logFile) Write(lines []byte) (int, error) {
	if err := l.ready(int64(len(lines)), time.Now()); err != nil {
		return 0, err
	}
	n, err := l.current.Write(lines)
	if err != nil {
		if l.current.Truncate(l.size) == nil {
			n = 0
		}
		l.close()
		return n, err
	}
	l.size += int64(n)
	l.written = time.Now()
	if l.sync {
		if err := l.current.Sync(); err != nil {
			l.close()
			return n, err
		}
	}
	return n, nil
}

// ready opens the file, and begins it anew if it is to be before so many more bytes are added.
func (l *logFile) ready(more int64, now time.Time) error {
	if l.current != nil && l.gone() {
		l.close()
	}
	if l.current == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size == 0 || !l.full(more) && !l.old(now) {
		return nil
	}
	l.close()
	if err := l.setAside(now); err != nil {
		return err
	}
	return l.open()
}

func (l *logFile) full(more int64) bool {
	return l.rotate.Size > 0 && l.size+more > int64(l.rotate.Size)
}

// old tells whether the last line belongs to a period that is over.
func (l *logFile) old(now time.Time) bool {
	every := time.Duration(l.rotate.Every)
	return every > 0 && !now.Truncate(every).Equal(l.written.Truncate(every))
}

// gone tells whether the path leads to another file by now, or to none.
func (l *logFile) gone() bool {
	here, err := l.current.Stat()
	if err != nil {
		return true
	}
	there, err := l.root.Stat(l.path)
	return err != nil || !os.SameFile(here, there)
}

func (l *logFile) open() error {
	if l.root == nil {
		root, err := os.OpenRoot(l.dir)
		if err != nil {
			return fmt.Errorf("open the directory of --sink-dir: %w", err)
		}
		l.root = root
	}
	if err := l.root.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	f, err := l.root.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	l.current, l.size, l.written = f, info.Size(), info.ModTime()
	return l.finishLine()
}

// finishLine ends the line in whose middle somebody was ended.
func (l *logFile) finishLine() error {
	if l.size == 0 {
		return nil
	}
	last := []byte{0}
	if _, err := l.current.ReadAt(last, l.size-1); err != nil {
		l.close()
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	n, err := l.current.Write([]byte{'\n'})
	l.size += int64(n)
	if err != nil {
		l.close()
	}
	return err
}

// setAside renames the file by the time, and removes those that are too many. Names sort by age.
func (l *logFile) setAside(now time.Time) error {
	aside := l.path + "." + now.UTC().Format("20060102T150405.000000000Z")
	if err := l.root.Rename(l.path, aside); err != nil {
		return err
	}
	if l.rotate.Keep == 0 {
		return nil
	}
	old, err := l.aside()
	if err != nil {
		return err
	}
	for len(old) > l.rotate.Keep {
		if err := l.root.Remove(old[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		old = old[1:]
	}
	return nil
}

// aside lists what was put aside, the oldest first.
func (l *logFile) aside() ([]string, error) {
	dir, err := l.root.Open(filepath.Dir(l.path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var old []string
	for _, name := range names {
		stamp, ours := strings.CutPrefix(name, filepath.Base(l.path)+".")
		if _, err := time.Parse("20060102T150405.000000000Z", stamp); ours && err == nil {
			old = append(old, filepath.Join(filepath.Dir(l.path), name))
		}
	}
	slices.SortFunc(old, cmp.Compare)
	return old, nil
}

func (l *logFile) close() {
	if l.current != nil {
		_ = l.current.Close()
	}
	l.current = nil
}

// shut closes everything.
func (l *logFile) shut() {
	l.close()
	if l.root != nil {
		_ = l.root.Close()
	}
	l.root = nil
}
