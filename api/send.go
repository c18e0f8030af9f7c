package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources/websocket"
)

const (
	// maxSending is how many messages are on their way at a time, with their bodies in memory.
	maxSending = 64
	// sendTimeout is how long one may take, on its way to another node as well.
	sendTimeout = 10 * time.Second
	// maxMessage is how many bytes one may have.
	maxMessage = 1 << 20
	// maxAnswer is how much is read of another node's answer.
	maxAnswer = 64 << 10
	// forwardedBy says which node has passed a request on. Such a one goes no further: two nodes whose views differ would pass it to and
	// fro.
	forwardedBy = "Drm-Forwarded-By"
)

// sentAnswer says who has written a message to the connection, and under which epoch.
type sentAnswer struct {
	Node  string `json:"node"`
	Epoch string `json:"epoch"`
}

// outgoing is a message to be sent.
type outgoing struct {
	key    cluster.Key
	data   []byte
	binary bool
}

// send has a message sent on a websocket, by this node or by the one that holds it, and answers when it is written to the connection.
func (s *server) send(w http.ResponseWriter, r *http.Request) {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, problem{http.StatusTooManyRequests, "this node sends as much as it can; try again in a second"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), sendTimeout)
	defer cancel()
	m, err := readOutgoing(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	epoch, err := s.Send(ctx, m.key.ID, m.data, m.binary)
	switch by := r.Header.Get(forwardedBy); {
	case err == nil:
		s.tell(w, http.StatusOK, sentAnswer{s.Node, strconv.FormatInt(epoch, 10)})
	case errors.Is(err, websocket.ErrNotHeld) && by == "":
		s.forward(ctx, w, r, m)
	case errors.Is(err, websocket.ErrNotHeld):
		s.refuse(w, problem{http.StatusConflict, fmt.Sprintf("%s has moved: node %s says that %s holds it, which doesn't; try again", m.key, by, s.Node)})
	case errors.Is(err, websocket.ErrNotConnected):
		w.Header().Set("Retry-After", "1")
		s.refuse(w, problem{http.StatusServiceUnavailable, fmt.Sprintf("%s is not connected; GET /v1/resources/%s says why", m.key, m.key)})
	case errors.Is(err, websocket.ErrBusy):
		w.Header().Set("Retry-After", "1")
		s.refuse(w, problem{http.StatusTooManyRequests, fmt.Sprintf("more is to be sent to %s than its send_rate allows", m.key)})
	default:
		s.refuse(w, problem{http.StatusBadGateway, err.Error()})
	}
}

// readOutgoing reads what is to be sent, and to whom.
func readOutgoing(w http.ResponseWriter, r *http.Request) (m outgoing, err error) {
	if _, err := query(r); err != nil {
		return m, err
	}
	if m.key, err = checkKey(r.PathValue("kind"), r.PathValue("id")); err != nil {
		return m, badRequest("%v", err)
	}
	if m.key.Kind != websocket.Kind {
		return m, problem{http.StatusNotFound, fmt.Sprintf("%s is of kind %s; only resources of kind %s can send", m.key, m.key.Kind, websocket.Kind)}
	}
	sort, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	m.binary = sort == "application/octet-stream"
	m.data, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		return m, problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxMessage)}
	case err != nil:
		return m, badRequest("read the body: %v", err)
	case len(m.data) == 0:
		return m, badRequest("the body is empty; it is the message to send")
	case !m.binary && !utf8.Valid(m.data):
		return m, badRequest("the body is not UTF-8; to send it as a binary message, set Content-Type: application/octet-stream")
	}
	return m, nil
}

// forward passes a message on to the node that holds the resource, and its answer back.
func (s *server) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, m outgoing) {
	info, err := s.holderOf(ctx, m.key)
	if err != nil {
		s.refuse(w, err)
		return
	}
	to := "http://" + info.Address + "/v1/resources/" + m.key.String() + "/send"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(m.data))
	if err != nil {
		s.refuse(w, fmt.Errorf("ask node %s at %s: %w", info.Holder, info.Address, err))
		return
	}
	request.Host = info.Holder // a name under which it answers, whatever its address is called
	request.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	request.Header.Set(forwardedBy, s.Node)
	answer, err := s.between.RoundTrip(request)
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		s.refuse(w, fmt.Errorf("ask node %s, which holds %s, at %s: %w", info.Holder, m.key, info.Address, err))
		return
	}
	var body []byte
	if err == nil {
		defer answer.Body.Close()
		body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	}
	if err != nil {
		s.refuse(w, problem{http.StatusBadGateway, fmt.Sprintf("node %s gave no answer; the message may have been sent: %v", info.Holder, err)})
		return
	}
	for _, name := range []string{"Content-Type", "Retry-After"} {
		if value := answer.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	w.Write(body) //nolint:errcheck // a caller who is gone needs no answer
}

// holderOf returns a resource that another node holds.
func (s *server) holderOf(ctx context.Context, key cluster.Key) (cluster.ResourceInfo, error) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return cluster.ResourceInfo{}, ctx.Err()
	}
	info, known, err := s.Cluster.Resource(ctx, key)
	switch {
	case err != nil:
		return info, err
	case !known:
		return info, s.unknown(key)
	case info.Holder == "" || info.Holder == s.Node:
		return info, problem{http.StatusServiceUnavailable, fmt.Sprintf("nobody runs %s now; GET /v1/resources/%s says why", key, key)}
	case info.Address == "":
		return info, problem{http.StatusServiceUnavailable, fmt.Sprintf("node %s holds %s, and says no address", info.Holder, key)}
	}
	return info, nil
}
