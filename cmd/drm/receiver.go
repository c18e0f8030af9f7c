package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/drm-cluster/drm/resources"
)

// receiver is a server that webhooks call: it verifies what comes, and counts it by event.
type receiver struct {
	address string
	posts   chan received // each POST, as it comes
	answer  int
	verify  *standardwebhooks.Webhook

	server http.Server
	stop   chan struct{}
	group  sync.WaitGroup

	mu     sync.Mutex
	came   map[string]int // POSTs whose signature was good, by webhook-id
	good   int            // their number
	bad    int            // of those whose signature was not
	epochs []string       // of the holders that sent them, in the order in which they came,
	sent   map[string]int // and how many each of them sent
	asked  int            // how often somebody asked whether an event had come,
	known  int            // and it had
}

// received is one POST.
type received struct {
	at                 time.Time
	id, attempt, epoch string
	body               string
	err                error // what is wrong with its signature
}

// maxReceived is how large a POST may be.
const maxReceived = 16 << 20

// startReceiver listens on the address; close must be called, and posts be read until then.
func startReceiver(listen, secret string, answer int) (*receiver, error) {
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("read --secret: %w; write whsec_ and then base64", err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("receive webhooks: %w; choose another address with --listen", err)
	}
	r := &receiver{
		address: listener.Addr().String(), posts: make(chan received, 64), answer: answer, verify: verify,
		stop: make(chan struct{}), came: map[string]int{}, sent: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", r.take)
	mux.HandleFunc("GET /seen/{id}", r.seen)
	r.server.Handler, r.server.ReadHeaderTimeout = mux, 5*time.Second
	r.group.Go(func() { _ = r.server.Serve(listener) })
	return r, nil
}

// close ends all connections and joins the server.
func (r *receiver) close() {
	close(r.stop)
	_ = r.server.Close()
	r.group.Wait()
}

func (r *receiver) take(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxReceived))
	if err != nil {
		return
	}
	post := received{
		at: time.Now(), id: q.Header.Get("Webhook-Id"), attempt: q.Header.Get("Drm-Attempt"), epoch: q.Header.Get(resources.FenceHeader),
		body: string(body), err: r.verify.Verify(body, q.Header),
	}
	r.count(post)
	select {
	case r.posts <- post:
	case <-r.stop:
	}
	if post.err != nil {
		http.Error(w, "the signature is not good: "+post.err.Error(), http.StatusUnauthorized)
		return
	}
	w.WriteHeader(r.answer)
}

func (r *receiver) count(post received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if post.err != nil {
		r.bad++
		return
	}
	r.good++
	r.came[post.id]++
	if r.sent[post.epoch]++; r.sent[post.epoch] == 1 {
		r.epochs = append(r.epochs, post.epoch)
	}
}

// seen tells whether an event has come.
func (r *receiver) seen(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked++; r.came[q.PathValue("id")] == 0 {
		http.NotFound(w, q)
		return
	}
	r.known++
}

// tally says how many events came how often.
func (r *receiver) tally() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := new(strings.Builder)
	fmt.Fprintf(text, "%s in %d POSTs", howManyEvents(len(r.came)), r.good)
	var again []string
	for id, n := range r.came {
		if n > 1 {
			again = append(again, id)
		}
	}
	switch slices.Sort(again); {
	case len(again) > 0:
		fmt.Fprintf(text, ", %d of them more than once: %s", len(again), strings.Join(again[:min(len(again), 5)], ", "))
	case r.good > 0:
		text.WriteString(", each once")
	}
	fmt.Fprintf(text, "; signatures: %d good, %d bad", r.good, r.bad)
	var epochs []string
	for _, epoch := range r.epochs {
		epochs = append(epochs, fmt.Sprintf("%d under epoch %s", r.sent[epoch], epoch))
	}
	if len(epochs) > 0 {
		text.WriteString("; " + strings.Join(epochs, ", "))
	}
	if r.asked > 0 {
		fmt.Fprintf(text, "; asked about %d, of which %d had come", r.asked, r.known)
	}
	return text.String()
}

// String is the POST in one line.
func (p received) String() string {
	const most = 100 // of the body, in runes
	body := []rune(p.body)
	if len(body) > most {
		body = append(body[:most], '…')
	}
	signature := "good"
	if p.err != nil {
		signature = "BAD: " + p.err.Error()
	}
	return fmt.Sprintf("%s  %s  attempt %s  epoch %s  signature %s  %s", p.at.Format(clockLayout), p.id, p.attempt, p.epoch, signature, string(body))
}
