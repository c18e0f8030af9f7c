package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/etcdtest"
)

const patience = 10 * time.Second

// TestMain runs the tests and then expects the goroutines of this package to have ended.
func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	code := m.Run()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if code != 0 || !strings.Contains(strings.ReplaceAll(string(stacks), "sink.TestMain", ""), "drm/sink.") {
			os.Exit(code)
		}
		select {
		case <-tick.C:
		case <-deadline:
			fmt.Fprintf(os.Stderr, "goroutines left:\n%s", stacks)
			os.Exit(1)
		}
	}
}

// sample makes n messages of one epoch.
func sample(n int) []Message {
	messages := make([]Message, n)
	for i := range messages {
		messages[i] = Message{
			ID: fmt.Sprintf("7-%d", i+1), Source: "drm/websocket/feed", Type: "drm.websocket.message",
			Time: time.Unix(1, 0), Data: fmt.Append(nil, "m", i), Epoch: 7, Seq: uint64(i + 1), Node: "n1",
		}
	}
	return messages
}

func readSpec(t *testing.T, text string) Spec {
	t.Helper()
	var s Spec
	if err := s.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func ignore(error) {}

// The envelope is CloudEvents 1.0: JSON data as it came, but on one line, other text as a string, the rest as base64. Seen to fail with line
// breaks left in.
func TestEnvelope(t *testing.T) {
	m := Message{ID: "7-1", Source: "s", Type: "t", Subject: "j", Time: time.Unix(1, 500), Epoch: 1 << 60, Seq: 3, Node: "n"}
	head := `{"specversion":"1.0","id":"7-1","source":"s","type":"t","subject":"j","time":"1970-01-01T00:00:01.0000005Z",` +
		`"drmepoch":"1152921504606846976","drmseq":"3","drmnode":"n",`
	for _, test := range []struct {
		data   string
		binary bool
		want   string
	}{
		{"{\"a\":\n 12345678901234567890.50}", false, `"datacontenttype":"application/json","data":{"a":12345678901234567890.50}}`},
		{`say "<hi>"`, false, `"datacontenttype":"text/plain","data":"say \"<hi>\""}`},
		{"", false, `"datacontenttype":"text/plain","data":""}`},
		{"a\xff", false, `"datacontenttype":"application/octet-stream","data_base64":"Yf8="}`},
		{"{}", true, `"datacontenttype":"application/octet-stream","data_base64":"e30="}`},
	} {
		m.Data, m.Binary = []byte(test.data), test.binary
		var e resources.CloudEvent
		envelope(&e, m)
		line, err := e.AppendJSON(nil)
		if err != nil || string(line) != head+test.want {
			t.Errorf("%q became %s (%v)", test.data, line, err)
		}
	}
}

// received is what a test looks at in an event.
type received struct {
	ID string `json:"id"`
}

// lines is a writer that takes each call apart into lines, which must be whole. Calls must not overlap.
type lines struct {
	t     *testing.T
	busy  atomic.Bool
	mu    sync.Mutex
	calls int
	ids   map[string]int
}

func (l *lines) Write(b []byte) (int, error) {
	if !l.busy.CompareAndSwap(false, true) {
		l.t.Error("two writes at once")
	}
	defer l.busy.Store(false)
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	for line := range bytes.Lines(b) {
		var e received
		if err := json.Unmarshal(line, &e); err != nil || line[len(line)-1] != '\n' {
			l.t.Errorf("half a line: %q", line)
		}
		l.ids[e.ID]++
	}
	return len(b), nil
}

// Many resources write at once; each batch is one write and no line is torn. Seen to fail (two
// writes at once) without the turns.
func TestStdoutLinesDoNotMix(t *testing.T) {
	out := &lines{t: t, ids: map[string]int{}}
	var sent int
	set := NewSet(Options{Stdout: out, Meter: resources.Meter{Sent: func(sink string, _ time.Duration, ok bool) {
		out.mu.Lock()
		defer out.mu.Unlock()
		if sink == resources.SinkStdout && ok {
			sent++
		}
	}}})
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			if err := set.Open(Spec{}, ignore).Send(t.Context(), sample(50)); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	if out.calls != 20 || out.ids["7-50"] != 20 || sent != 20 {
		t.Errorf("%d writes, %d of the last message, %d counted; want 20 each", out.calls, out.ids["7-50"], sent)
	}
	if err := set.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// While standard output hangs, a sender returns with its context, and Close with its own. Seen to fail with the write
// in the sender's goroutine.
func TestStdoutHangs(t *testing.T) {
	r, w := io.Pipe()
	set := NewSet(Options{Stdout: w})
	cause := errors.New("moved")
	for range 2 { // the one that writes, and one that waits for its turn
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error)
		go func() { result <- set.Open(Spec{}, ignore).Send(ctx, sample(1)) }()
		cancel(cause)
		if err := <-result; !errors.Is(err, cause) {
			t.Errorf("Send returned %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- set.Open(Spec{}, ignore).Send(ctx, sample(1)) }()
	if _, err := r.Read(make([]byte, 1)); err != nil { // now one is in the middle of a line
		t.Fatal(err)
	}
	cancel()
	<-result
	if err := set.Close(ctx); err == nil {
		t.Error("Close did not say that a write hangs")
	}
	_ = r.Close()
	if err := set.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// failing fails within the first line, then works.
type failing struct {
	bytes.Buffer
	failed bool
}

func (f *failing) Write(b []byte) (int, error) {
	if f.failed {
		return f.Buffer.Write(b)
	}
	f.failed = true
	_, _ = f.Buffer.Write(b[:5])
	return 5, errors.New("disk full")
}

// After a write that failed within a line, the next begins a new one, and nothing is lost.
func TestStdoutRecovers(t *testing.T) {
	out := &failing{}
	var told []error
	set := NewSet(Options{Stdout: out})
	if err := set.Open(Spec{}, func(err error) { told = append(told, err) }).Send(t.Context(), sample(2)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "\n"); got != 3 || !strings.HasPrefix(out.String(), "{\"spe\n{\"specversion") {
		t.Errorf("wrote %q", out.String())
	}
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("told %v, want the trouble and its end", told)
	}
}
