package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

const (
	memoryName = "resume" // of the record in which it is kept
	maxMemory  = 16 << 10 // bytes of it
	// lastWrite is how long the last write may take when the run ends: well within the time in which a runner has to stop.
	lastWrite = 400 * time.Millisecond
)

// memory is what a resource needs to go on where its connection ended, by the spec's resume. This process resumes with what was
// captured last. What is kept for the next holder is what was captured up to the last message that the sink has: messages that are lost
// with this process's buffer are then sent again. All methods may be called on nil, for a spec without resume.
type memory struct {
	spec   *resumeSpec
	page   *state.Page
	ctx    context.Context // of writes
	cancel context.CancelFunc
	log    func(string, error)
	loaded bool // owned by the run's goroutine, as is
	astray bool // resume.url has failed

	mu        sync.Mutex
	latest    capture
	alive     time.Time // when the connection was last known to be there
	delivered uint64    // the last message that the sink has
	pending   []capture // of messages that it has not, in their order
	kept      capture   // to be written, or written
	written   uint64    // count of what was written
	scheduled bool
	closed    bool
	timer     *time.Timer
	work      sync.WaitGroup // one for a timer that is set, or its function that runs
}

// capture is what was captured as of one message.
type capture struct {
	count  uint64 // of captures, from 1
	seq    uint64 // of the message
	values map[string]any
	at     time.Time
}

// record is how it is kept.
type record struct {
	At     time.Time       `json:"at"`
	Values json.RawMessage `json:"values"`
}

func newMemory(s *resumeSpec, book *state.Book, c cluster.Claim, log func(string, error)) *memory {
	if s == nil {
		return nil
	}
	m := &memory{spec: s, page: book.Page(c), log: log}
	m.ctx, m.cancel = context.WithCancel(c.Held)
	return m
}

// load reads what the holder before has kept, once.
func (m *memory) load(ctx context.Context) error {
	if m == nil || m.loaded {
		return nil
	}
	records, err := m.page.Load(ctx)
	if err != nil {
		return err
	}
	m.loaded = true
	for _, r := range records {
		var found record
		if r.Name != memoryName || json.Unmarshal(r.Value, &found) != nil {
			continue
		}
		v, err := resources.ParseJSON(found.Values)
		if values, ok := v.(map[string]any); ok && err == nil {
			m.latest = capture{values: values, at: found.At}
			m.kept = m.latest
		}
	}
	return nil
}

// values returns what to resume with, nil if there is nothing, or it is too old.
func (m *memory) values() map[string]any {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.latest.at
	if m.alive.After(last) {
		last = m.alive
	}
	if time.Since(last) > time.Duration(m.spec.MaxAge) {
		return nil
	}
	return m.latest.values
}

// address returns the url to resume at; "" is the usual one. One over which everybody could listen doesn't replace one over which nobody can.
func (m *memory) address(s *spec, usual string) (string, error) {
	values := m.values()
	if len(values) == 0 || m.astray || len(m.spec.URL) == 0 {
		return "", nil
	}
	to, err := m.spec.URL.fill(terms{Resume: values}, s.Secrets)
	if err != nil {
		return "", err
	}
	if err := s.judge(to); err != nil {
		return "", err
	}
	secure := strings.HasPrefix(usual, "wss:") || strings.HasPrefix(usual, "https:")
	if secure && !strings.HasPrefix(to, "wss:") {
		return "", errors.New("the url that the server gave is not wss, as url is")
	}
	return to, nil
}

// strayed notes that an attempt to connect has failed: the next is made to the usual url.
func (m *memory) strayed() {
	if m != nil {
		m.astray = true
	}
}

// capture takes in what a message of the other side says, seq being that of the last message handed on. It tells whether anything is new.
func (m *memory) capture(values terms, seq uint64) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := map[string]any{}
	for name, x := range m.spec.Capture {
		// An expression about messages of one sort fails on those of another.
		if v, err := x.Eval(values); err == nil && v != nil {
			fresh[name] = v
		}
	}
	if len(fresh) == 0 {
		return false
	}
	merged := maps.Clone(m.latest.values)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, fresh)
	m.latest = capture{count: m.latest.count + 1, seq: seq, values: merged, at: time.Now()}
	m.astray = false
	if seq <= m.delivered {
		m.keep(m.latest)
		return true
	}
	if last := len(m.pending) - 1; last >= 0 && m.pending[last].seq == seq {
		m.pending[last] = m.latest
	} else {
		m.pending = append(m.pending, m.latest)
	}
	return true
}

// sent is told that the sink has all messages up to one.
func (m *memory) sent(seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delivered = seq
	var got capture
	for len(m.pending) > 0 && m.pending[0].seq <= seq {
		got, m.pending = m.pending[0], m.pending[1:]
	}
	if got.count > 0 {
		m.keep(got)
	}
}

// forget makes the next connection begin anew.
func (m *memory) forget() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
	m.latest = capture{count: m.latest.count + 1, seq: m.latest.seq, at: time.Now()}
	m.keep(m.latest)
}

// lost notes that the connection was there until now.
func (m *memory) lost() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alive = time.Now()
}

// keep has a capture written, at most so often. The caller has locked.
func (m *memory) keep(c capture) {
	m.kept = c
	if m.scheduled || m.closed {
		return
	}
	m.scheduled = true
	m.work.Add(1)
	m.timer = time.AfterFunc(time.Duration(m.spec.PersistEvery), m.persist)
}

func (m *memory) persist() {
	defer m.work.Done()
	m.mu.Lock()
	c := m.kept
	m.mu.Unlock()
	m.write(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scheduled = false
	if m.kept.count != c.count {
		m.keep(m.kept)
	}
}

func (m *memory) write(c capture) {
	err := m.try(c)
	if err != nil && m.ctx.Err() == nil {
		m.log("what is needed to resume was not written", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.written = c.count
	}
}

func (m *memory) try(c capture) error {
	if c.values == nil {
		return m.page.Write(m.ctx, state.Change{Name: memoryName, Delete: true})
	}
	values, err := resources.EncodeJSON(c.values)
	if err != nil {
		return err
	}
	if len(values) > maxMemory {
		return fmt.Errorf("it has %d bytes; %d is the most: capture less", len(values), maxMemory)
	}
	raw, err := resources.EncodeJSON(record{At: c.at.UTC(), Values: values})
	if err != nil {
		return err
	}
	return m.page.Write(m.ctx, state.Change{Name: memoryName, Value: raw})
}

// close writes what is not written yet and returns when nothing is being written any more, which doesn't take long. connected tells that
// the connection was there until now.
func (m *memory) close(connected bool) {
	if m == nil {
		return
	}
	defer m.page.Close()
	defer m.cancel()
	defer time.AfterFunc(lastWrite, m.cancel).Stop()
	m.mu.Lock()
	m.closed = true
	if m.timer != nil && m.timer.Stop() {
		m.work.Done()
	}
	m.mu.Unlock()
	m.work.Wait()
	if connected {
		m.alive = time.Now()
	}
	if m.kept.count != m.written || connected && m.kept.values != nil {
		if m.alive.After(m.kept.at) {
			m.kept.at = m.alive
		}
		m.write(m.kept)
	}
}
