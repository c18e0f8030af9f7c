package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// openFile opens a sink that writes below dir and reports trouble as an error of the test.
func openFile(t *testing.T, set *Set, fields string) Sink {
	t.Helper()
	s := set.Open(readSpec(t, `{"type": "file", `+fields+`}`), func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s Sink, messages []Message) {
	t.Helper()
	if err := s.Send(t.Context(), messages); err != nil {
		t.Error(err)
	}
}

// ids are those in a file, whose lines must be whole.
func ids(t *testing.T, path string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e received
		if err := json.Unmarshal(line, &e); err != nil || line[len(line)-1] != '\n' {
			t.Errorf("%s: half a line: %q", path, line)
		}
		found = append(found, e.ID)
	}
	return found
}

// Many resources that name one file share it: whole lines, none lost, and each resource's in order. Seen to fail with a file for
// each sink and a rotation by size: lines are lost with what another has put aside.
func TestFileIsShared(t *testing.T) {
	dir := t.TempDir()
	set := NewSet(Options{Dir: dir})
	var senders sync.WaitGroup
	for range 10 {
		s := openFile(t, set, `"path": "sub/{kind}.jsonl", "rotate": {"size": "8KiB", "keep": 0}`)
		senders.Go(func() {
			for i := range 20 {
				send(t, s, sample(20)[i:i+1])
			}
		})
	}
	senders.Wait()
	files, err := filepath.Glob(filepath.Join(dir, "sub", "websocket.jsonl*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v (%v)", files, err)
	}
	count := map[string]int{}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 8<<10 {
			t.Errorf("%s: %v (%v)", f, info.Size(), err)
		}
		for _, id := range ids(t, f) {
			count[id]++
		}
	}
	if len(count) != 20 || count["7-1"] != 10 || count["7-20"] != 10 {
		t.Errorf("found %v", count)
	}
}

// Only so many that were put aside are kept, the newest.
func TestFileKeeps(t *testing.T) {
	dir := t.TempDir()
	s := openFile(t, NewSet(Options{Dir: dir}), `"path": "a", "rotate": {"size": "1KiB", "keep": 2}`)
	if err := os.WriteFile(filepath.Join(dir, "a.note"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		send(t, s, sample(60)[i:i+1])
	}
	files, _ := filepath.Glob(filepath.Join(dir, "a.2*"))
	if len(files) != 2 {
		t.Fatalf("kept %v", files)
	}
	slices.Sort(files)
	all := slices.Concat(ids(t, files[0]), ids(t, files[1]), ids(t, filepath.Join(dir, "a")))
	for i, id := range all {
		if want := fmt.Sprint("7-", 61-len(all)+i); id != want {
			t.Errorf("line %d is %s, want %s", i, id, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a.note")); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
}

// A file that somebody renamed or deleted is begun anew, and one that ends within a line is gone on with on the next. Seen to
// fail without gone (lines go to the renamed file) and without finishLine.
func TestFileIsTakenAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte(`{"id":"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, NewSet(Options{Dir: dir}), `"path": "a", "sync": true`)
	send(t, s, sample(1))
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	send(t, s, sample(2)[1:])
	if got := ids(t, path); fmt.Sprint(got) != "[7-2]" {
		t.Errorf("after it was renamed: %v", got)
	}
	old, _ := os.ReadFile(path + ".old")
	if !strings.HasPrefix(string(old), "{\"id\":\"half\n{\"specversion\"") || strings.Count(string(old), "\n") != 2 {
		t.Errorf("the first is %q", old)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	send(t, s, sample(3)[2:])
	if got := ids(t, path); fmt.Sprint(got) != "[7-3]" {
		t.Errorf("after it was deleted: %v", got)
	}
}

// A symbolic link does not lead out of the directory.
func TestFileStaysBelow(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	l := &logFile{dir: dir, path: "link/a"}
	defer l.shut()
	if _, err := l.Write([]byte("x\n")); err == nil {
		t.Error("it was written")
	}
	if _, err := os.Stat(filepath.Join(outside, "a")); err == nil {
		t.Error("there is a file outside")
	}
}

// A file is put aside when its period is over, which its last line tells, so that a restart in between changes nothing.
func TestFileIsRotatedByTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { // its clock begins at the first second of 2000
		open := func() *logFile {
			return &logFile{dir: dir, path: "a", rotate: rotate{Every: 3_600_000_000_000}}
		}
		write := func(l *logFile) {
			t.Helper()
			if _, err := l.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(dir, "a"), time.Now(), time.Now()); err != nil { // the kernel's clock is another
				t.Fatal(err)
			}
		}
		count := func() int {
			files, _ := filepath.Glob(filepath.Join(dir, "a*"))
			return len(files)
		}
		l := open()
		write(l)
		time.Sleep(59 * time.Minute)
		write(l)
		if n := count(); n != 1 {
			t.Errorf("%d files within the hour", n)
		}
		l.shut()
		time.Sleep(2 * time.Minute)
		l = open()
		write(l)
		l.shut()
		if n := count(); n != 2 {
			t.Errorf("%d files after the hour", n)
		}
	})
}
