//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"
)

// receiver is called by webhooks, in a process of its own: it takes every POST, and remembers when which came.
type receiver struct {
	mu      sync.Mutex
	tally   tally
	seen    map[string]bool // path and webhook-id
	goal    int             // POSTs that somebody waits for
	reached chan struct{}
	mute    chan struct{} // while it is not nil and not closed, nobody is answered
}

// tally is what a receiver has seen since it was last reset.
type tally struct {
	Posts, Twice int // Twice: those of an event that had come before
	AtOnce, Most int // under way, and at the most
	First, Last  time.Time
	Runs         map[string]time.Time // when the first POST of each run came
	Lags         []time.Duration      // from the time of an event to its POST
}

// serveReceiver listens until its standard input ends.
func serveReceiver(address func(string), until io.Reader) error {
	r := &receiver{}
	r.reset()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in/", r.take)
	mux.HandleFunc("GET /tally", r.wait)
	mux.HandleFunc("DELETE /tally", func(http.ResponseWriter, *http.Request) { r.reset() })
	mux.HandleFunc("PUT /mute", func(http.ResponseWriter, *http.Request) { r.hush(make(chan struct{})) })
	mux.HandleFunc("DELETE /mute", func(http.ResponseWriter, *http.Request) { r.hush(nil) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // it ends when it is closed
	address(l.Addr().String())
	_, _ = io.Copy(io.Discard, until)
	err = server.Close()
	serving.Wait()
	return err
}

func (r *receiver) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, r.seen = tally{Runs: map[string]time.Time{}}, map[string]bool{}
}

// hush has those who POST from now on wait until another call; nil lets all go that wait.
func (r *receiver) hush(mute chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mute != nil {
		close(r.mute)
	}
	r.mute = mute
}

func (r *receiver) take(_ http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	mute := r.note(q, body)
	if mute != nil {
		select {
		case <-mute:
		case <-q.Context().Done():
		}
	}
	r.mu.Lock()
	r.tally.AtOnce--
	r.mu.Unlock()
}

func (r *receiver) note(q *http.Request, body []byte) (mute chan struct{}) {
	now, at := time.Now(), timestamp(body)
	event, fence := q.URL.Path+" "+q.Header.Get("Webhook-Id"), runOf(path.Base(q.URL.Path), q.Header.Get("Drm-Fence"))
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tally
	if t.Posts++; t.Posts == 1 {
		t.First = now
	}
	t.Last = now
	if r.seen[event] {
		t.Twice++
	}
	r.seen[event] = true
	if _, known := t.Runs[fence]; !known {
		t.Runs[fence] = now
	}
	if !at.IsZero() {
		t.Lags = append(t.Lags, now.Sub(at))
	}
	t.AtOnce++
	t.Most = max(t.Most, t.AtOnce)
	if r.reached != nil && t.Posts >= r.goal {
		close(r.reached)
		r.reached = nil
	}
	return r.mute
}

// runOf names one run of a webhook.
func runOf(id, epoch string) string { return id + " " + epoch }

// timestamp finds the time of an event near the beginning of a standard payload; zero if it has none.
func timestamp(body []byte) (at time.Time) {
	_, rest, _ := bytes.Cut(body[:min(len(body), 200)], []byte(`"timestamp":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	_ = at.UnmarshalText(text)
	return at
}

// wait answers with the tally once so many POSTs have come as the request says. One may wait at a time.
func (r *receiver) wait(w http.ResponseWriter, q *http.Request) {
	goal, err := strconv.Atoi(q.FormValue("posts"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	reached := make(chan struct{})
	if r.goal, r.reached = goal, reached; r.tally.Posts >= goal {
		close(reached)
		r.reached = nil
	}
	r.mu.Unlock()
	select {
	case <-reached:
	case <-q.Context().Done():
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = json.NewEncoder(w).Encode(r.tally) // who asked may be gone
}

// remote is a receiver in another process.
type remote struct{ address string }

// url returns the url of a webhook.
func (r remote) url(id string) string { return "http://" + r.address + "/in/" + id }

func (r remote) reset(ctx context.Context) error { return r.ask(ctx, http.MethodDelete, "/tally", nil) }

func (r remote) mute(ctx context.Context) error { return r.ask(ctx, http.MethodPut, "/mute", nil) }

func (r remote) unmute(ctx context.Context) error { return r.ask(ctx, http.MethodDelete, "/mute", nil) }

// came returns once so many POSTs have come.
func (r remote) came(ctx context.Context, posts int) (t tally, err error) {
	return t, r.ask(ctx, http.MethodGet, fmt.Sprintf("/tally?posts=%d", posts), &t)
}

func (r remote) ask(ctx context.Context, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, nil)
	if err != nil {
		return fmt.Errorf("ask receiver: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask receiver: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask receiver for %s: %s", path, response.Status)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("read what came to the receiver: %w", err)
	}
	return nil
}
