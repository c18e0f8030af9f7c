package websocket

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// eventually waits for something that nothing tells of.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("there never was %s", what)
		}
	}
}

// shelf is etcd with a book on it, and the claim of one resource.
type shelf struct {
	t     *testing.T
	store *lease.Store
	book  *state.Book
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &shelf{t: t, store: store, book: state.Open(store, state.Options{})}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.book.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// claim gives the resource to a node.
func (s *shelf) claim(node, change string, lastRun time.Time) cluster.Claim {
	s.t.Helper()
	path := cluster.ClaimPath(cluster.Key{Kind: Kind, ID: "feed"})
	answer, err := s.store.Commit(s.t.Context(), []cluster.Op{{Path: path, Value: []byte(`{"node":"` + node + `"}`)}})
	if err != nil {
		s.t.Fatal(err)
	}
	return cluster.Claim{Epoch: answer.Rev, Node: node, Change: change, LastRun: lastRun}
}

// kept returns what is kept of the resource.
func (s *shelf) kept() string {
	s.t.Helper()
	records, err := state.Load(s.t.Context(), s.store, cluster.Key{Kind: Kind, ID: "feed"})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(records) == 0 {
		return ""
	}
	return string(records[0].Value)
}

// gateway is a server whose sessions can be resumed: it sends what is put into more, and keeps it.
type gateway struct {
	t     *testing.T
	asked chan map[string]any // what each connection said
	more  chan int            // how many further events to send
	mu    sync.Mutex
	seq   int
}

func (g *gateway) serve(conn *websocket.Conn, _ *http.Request) {
	ask := hear(g.t, conn)
	if ask == nil {
		return
	}
	g.asked <- ask
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = readUntilClosed(conn)
	}()
	defer func() { <-gone }()
	defer conn.Close()
	g.mu.Lock()
	from := g.seq
	g.mu.Unlock()
	if ask["op"] == "resume" {
		from = int(ask["seq"].(float64))
	} else {
		say(conn, `{"t":"ready","session":"s1"}`)
	}
	for {
		g.mu.Lock()
		for ; from < g.seq; from++ {
			say(conn, fmt.Sprintf(`{"t":"event","s":%d}`, from+1))
		}
		g.mu.Unlock()
		select {
		case n := <-g.more:
			g.mu.Lock()
			g.seq += n
			g.mu.Unlock()
		case <-gone:
			return
		}
	}
}

const resuming = `, "reconnect": {"initial": "100ms"}, "subscribe": [{"op": "identify"}], "control": [{"when": "msg.t == 'invalid'", "do": "new_session"}],
	"resume": {"capture": {"seq": "msg.s", "session": "msg.session"}, "persist_every": "100ms",
		"send": {"op": "resume", "session": "${resume.session}", "seq": "${resume.seq}"}}`

// Another node resumes the session as of the last message that the sink had: what was in the holder's buffer is sent again, nothing is missed
// and no gap is told. Seen to fail with what was captured kept though the sink has not got the message (4 and 5 are then lost), and with no
// write at the end of a run.
func TestAnotherNodeResumes(t *testing.T) {
	s := newShelf(t)
	g := &gateway{t: t, asked: make(chan map[string]any, 10), more: make(chan int, 10)}
	url := accept(t, g.serve)
	lines := make(chan []byte, 100)
	stuck := make(chan struct{})
	n := 0
	first := launch(t, setup{url: url, fields: resuming, book: s.book, claim: s.claim("n1", cluster.ChangeNew, time.Time{}), stdout: func(b []byte) {
		if n++; n > 4 { // ready and three events are taken
			<-stuck
			return
		}
		lines <- b
	}})
	if ask := receive(t, g.asked, "nothing asked"); ask["op"] != "identify" {
		t.Errorf("asked for %v", ask)
	}
	for range 3 {
		receive(t, lines, "nothing received")
		g.more <- 1
	}
	receive(t, lines, "nothing received")
	g.more <- 2
	eventually(t, "six messages", func() bool { return first.count.messages() == 6 })
	first.stop(cluster.ErrMoving)
	_ = first.ended()
	close(stuck)

	second := launch(t, setup{url: url, fields: resuming, book: s.book, claim: s.claim("n2", cluster.ChangeHandOff, time.Now())})
	if ask := receive(t, g.asked, "nothing asked"); fmt.Sprint(ask) != "map[op:resume seq:3 session:s1]" {
		t.Errorf("asked for %v, kept was %s", ask, s.kept())
	}
	for _, want := range []string{"map[s:4 t:event]", "map[s:5 t:event]"} {
		if e := second.event(); fmt.Sprint(e["data"]) != want {
			t.Errorf("received %v, want %s", e, want)
		}
	}
	if len(second.count.gaps) > 0 {
		t.Errorf("%d gaps told", len(second.count.gaps))
	}
}

// What was captured is kept while the connection lasts, so that a crash loses little of it; a session that the server calls void, or that is
// older than max_age, is not resumed, and then the gap is told from the beginning on. Seen to fail without persist, with max_age not asked, and
// with the gap over as soon as a resume is asked for.
func TestSessionsThatEnd(t *testing.T) {
	s := newShelf(t)
	asked := make(chan string, 10)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		ask := hear(t, conn)
		asked <- fmt.Sprint(ask["op"])
		if ask["op"] == "resume" {
			say(conn, `{"t":"invalid"}`)
		} else {
			say(conn, `{"session":"s1","s":1}`)
		}
		_ = readUntilClosed(conn)
	})
	first := launch(t, setup{url: url, fields: resuming, book: s.book, claim: s.claim("n1", cluster.ChangeNew, time.Time{})})
	first.event()
	eventually(t, "something kept", func() bool { return s.kept() != "" })
	first.stop(cluster.ErrTrustEnded) // as in a crash, nothing more is written
	_ = first.ended()
	receive(t, asked, "nothing asked")

	lost := time.Now().Add(-time.Minute)
	second := launch(t, setup{url: url, fields: resuming, book: s.book, claim: s.claim("n2", cluster.ChangeTakeover, lost)})
	for _, want := range []string{"resume", "identify"} {
		if got := receive(t, asked, "nothing asked"); got != want {
			t.Errorf("asked to %s, want %s", got, want)
		}
	}
	second.event() // invalid
	gap := second.event()
	from, err := time.Parse(time.RFC3339Nano, fmt.Sprint(gap["data"].(map[string]any)["from"]))
	if err != nil || gap["type"] != "drm.websocket.gap" || !from.Equal(lost) {
		t.Errorf("told %v, want a gap from %s", gap, lost)
	}
	second.until(resources.StateConnected)
	second.event()
	second.stop(cluster.ErrMoving)
	_ = second.ended()

	stale := resuming[:len(resuming)-1] + `, "max_age": "1s"}`
	ended := time.Now()
	eventually(t, "more than a second", func() bool { return time.Since(ended) > 1100*time.Millisecond })
	launch(t, setup{url: url, fields: stale, book: s.book, claim: s.claim("n3", cluster.ChangeHandOff, time.Now())})
	if got := receive(t, asked, "nothing asked"); got != "identify" {
		t.Errorf("asked to %s after max_age", got)
	}
}

// A connection that is lost is resumed by the same node from the last message that it has read, and close codes may forbid it. Seen to
// fail with no_resume ignored.
func TestResumesItself(t *testing.T) {
	s := newShelf(t)
	asked := make(chan string, 10)
	codes := make(chan int, 10)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		asked <- fmt.Sprint(hear(t, conn))
		say(conn, `{"session":"s2","s":7}`)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(<-codes, ""), time.Now().Add(time.Second))
		_ = readUntilClosed(conn)
	})
	launch(t, setup{url: url, fields: resuming + `, "close_codes": {"no_resume": [4009]}`, book: s.book, claim: s.claim("n1", "", time.Time{})})
	for _, turn := range []struct {
		asks string
		code int
	}{{"map[op:identify]", 4000}, {"map[op:resume seq:7 session:s2]", 4009}, {"map[op:identify]", 4000}} {
		if got := receive(t, asked, "nothing asked"); got != turn.asks {
			t.Errorf("asked %s, want %s", got, turn.asks)
		}
		codes <- turn.code
	}
}

// Without resume the sink is told of every gap, in its place. Seen to fail with the gap of a new resource told, and with emit_gaps ignored.
func TestGaps(t *testing.T) {
	serve := func(conn *websocket.Conn, _ *http.Request) { say(conn, `"data"`) }
	before := time.Now()
	h := start(t, accept(t, serve), `, "reconnect": {"initial": "100ms"}`)
	if e := h.event(); e["data"] != "data" {
		t.Errorf("begins with %v", e)
	}
	gap := h.event()
	told := gap["data"].(map[string]any)
	from, errFrom := time.Parse(time.RFC3339Nano, fmt.Sprint(told["from"]))
	to, errTo := time.Parse(time.RFC3339Nano, fmt.Sprint(told["to"]))
	if errFrom != nil || errTo != nil || from.Before(before) || to.Before(from) || to.After(time.Now()) || told["reason"] == "" {
		t.Errorf("told %v", gap)
	}
	if e := h.event(); e["data"] != "data" {
		t.Errorf("goes on with %v", e)
	}
	h = launch(t, setup{
		url: accept(t, serve), fields: `, "reconnect": {"initial": "100ms"}, "emit_gaps": false`,
		claim: cluster.Claim{Change: cluster.ChangeTakeover, LastRun: before},
	})
	for range 2 {
		if e := h.event(); e["data"] != "data" {
			t.Errorf("received %v", e)
		}
	}
	h.count.mu.Lock()
	defer h.count.mu.Unlock()
	if len(h.count.gaps) < 2 {
		t.Errorf("%d gaps counted", len(h.count.gaps))
	}
}
