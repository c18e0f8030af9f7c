//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	feedSize  = 200_000 // messages of a feed
	feedBytes = 256     // of each
)

// message is the one of a number, JSON of feedBytes.
func message(number int) []byte {
	head := fmt.Appendf(nil, `{"number":%07d,"pad":"`, number+1_000_000) // as JSON has no leading zeros
	return append(append(head, bytes.Repeat([]byte("x"), feedBytes-len(head)-2)...), `"}`...)
}

// arrivals is which messages of a feed have come, and when.
type arrivals struct {
	Began, Ended time.Time // the feeder had its first message to send; the last of all came
	Came, Twice  int       // different ones, and those that had come before

	seen [feedSize]bool
}

// take notes all messages of a text, whatever they are wrapped in.
func (a *arrivals) take(text []byte) {
	for {
		_, rest, found := bytes.Cut(text, []byte(`{"number":`))
		if !found || len(rest) < 7 {
			return
		}
		number, err := strconv.Atoi(string(rest[:7]))
		if number -= 1_000_000; err == nil && number >= 0 && number < feedSize {
			if a.seen[number] {
				a.Twice++
			} else {
				a.seen[number] = true
				a.Came++
			}
		}
		text = rest[7:]
	}
}

// complete tells what is wrong unless each message has come once.
func (a *arrivals) complete() error {
	if a.Came != feedSize || a.Twice != 0 {
		return fmt.Errorf("%d of %d messages came, %d of them twice", a.Came, feedSize, a.Twice)
	}
	return nil
}

// feeder sends a feed to whoever opens it, each message in a write of its own, and takes what comes of it by POST.
type feeder struct {
	mu    sync.Mutex
	feeds map[string]*fed
}

// fed is a feed by its name, known from the first time that somebody speaks of it.
type fed struct {
	arrivals
	whole chan struct{} // closed when all has come by POST
}

// of returns the feed that a request is about; the caller holds the mutex.
func (f *feeder) of(q *http.Request) *fed {
	name := q.PathValue("name")
	if f.feeds[name] == nil {
		f.feeds[name] = &fed{whole: make(chan struct{})}
	}
	return f.feeds[name]
}

func (f *feeder) feed(w http.ResponseWriter, q *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, q, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	messages := make([][]byte, feedSize)
	for i := range messages {
		messages[i] = message(i)
	}
	f.mu.Lock()
	f.of(q).Began = time.Now()
	f.mu.Unlock()
	for _, m := range messages {
		if err := conn.WriteMessage(websocket.TextMessage, m); err != nil {
			return
		}
	}
	for err == nil { // whoever has opened it closes it
		_, _, err = conn.NextReader()
	}
}

func (f *feeder) take(_ http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fed := f.of(q)
	before := fed.Came
	fed.take(body)
	if fed.Came == feedSize && before < feedSize {
		fed.Ended = time.Now()
		close(fed.whole)
	}
}

// answer tells what has come of a feed; with ?whole once all of it has.
func (f *feeder) answer(w http.ResponseWriter, q *http.Request) {
	f.mu.Lock()
	fed := f.of(q)
	f.mu.Unlock()
	if q.FormValue("whole") != "" {
		select {
		case <-fed.whole:
		case <-q.Context().Done():
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(&fed.arrivals) // who asked may be gone
}

// serveFeeder listens until its standard input ends.
func serveFeeder(address func(string), until io.Reader) error {
	f := &feeder{feeds: map[string]*fed{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feed/{name}", f.feed)
	mux.HandleFunc("POST /take/{name}", f.take)
	mux.HandleFunc("GET /arrivals/{name}", f.answer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address(l.Addr().String())
	server := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // it ends when it is closed
	_, _ = io.Copy(io.Discard, until)
	err = server.Close()
	serving.Wait()
	return err
}

// readFeed is the plainest program that reads a feed; it prints when it had all of it, and how many messages that was.
func readFeed(args []string) error {
	if len(args) != 1 {
		return errors.New("read: want URL")
	}
	conn, _, err := websocket.DefaultDialer.Dial(args[0], nil)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer conn.Close()
	var came arrivals
	for came.Came < feedSize {
		if _, _, err := conn.ReadMessage(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		came.Came++
	}
	came.Ended = time.Now()
	if err := json.NewEncoder(os.Stdout).Encode(&came); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // it is asked how much processor time it took
	return nil
}
