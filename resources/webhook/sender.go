package webhook

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// Headers of a request beside those of Standard Webhooks.
const (
	headerAttempt = "Drm-Attempt" // which attempt of this event it is, from 1
	headerTrace   = "Traceparent" // W3C Trace Context
)

// headerWord is the header by which a receiver may say what is to become of its webhook.
const headerWord = "Webhook-Delivery"

// verdict is what can be known of an attempt.
type verdict int

const (
	notSent   verdict = iota // certainly not a byte of it has left
	delivered                // answered with 2xx
	refused                  // answered otherwise
	inDoubt                  // it may have arrived, and may have been acted upon
	unfit                    // no request can be made of this event until the spec changes; nothing was sent
)

// word is what a receiver says about its webhook, besides taking an event or not.
type word int

const (
	wordNone    word = iota
	wordDisable      // send no more until the spec is put again
	wordAbort        // send this event no more
)

// outcome is what came of one attempt.
type outcome struct {
	verdict    verdict
	status     int           // 0 when there was no answer
	retryAfter time.Duration // what the receiver asked for, 0 for nothing; never above retry.retry_after_max
	word       word
	err        error  // why it was not delivered; without secrets and query
	body       string // the beginning of the answer, at most log_response_bytes
	took       time.Duration
}

// sender makes the attempts of one webhook. It may be used concurrently.
type sender struct {
	spec   *spec
	poster *post.Poster
	agent  string // what it calls itself: drm/VERSION
	origin string // for whom it asks for leave: a host name
}

func newSender(s *spec, clients *post.Clients, agent, origin string) *sender {
	poster := clients.Open(&s.Target, s.Network, time.Duration(s.ConnectTimeout))
	return &sender{spec: s, poster: poster, agent: agent, origin: origin}
}

// attempt makes one POST of an event, its n-th from 1, and says what can be known of it. It returns within the spec's timeout,
// and soon after ctx ends; not a byte of the event is sent once ctx.Err is not nil.
func (s *sender) attempt(ctx context.Context, e events.Event, n int, epoch int64) outcome {
	begin := time.Now()
	o := s.send(ctx, e, n, epoch)
	o.took = time.Since(begin)
	o.err = brief(o.err)
	return o
}

// reasonMost is how many bytes of an error are kept: it lies on record for as long as its event, and a receiver may have a say in it.
const reasonMost = 1 << 10

// brief returns an error that is no longer than that.
func brief(err error) error {
	if err == nil || len(err.Error()) <= reasonMost {
		return err
	}
	return errors.New(strings.ToValidUTF8(err.Error()[:reasonMost], "") + "…")
}

func (s *sender) send(ctx context.Context, e events.Event, n int, epoch int64) outcome {
	h, body, err := s.spec.compose(e)
	if err != nil {
		return outcome{verdict: unfit, err: err}
	}
	s.about(h, e.Extensions["traceparent"], epoch)
	h.Set(headerAttempt, strconv.Itoa(n))
	ctx, cancel := s.limit(ctx)
	defer cancel()
	answer, err := s.poster.Post(ctx, post.Message{ID: e.ID, Header: h, Body: body})
	var failed *post.Error
	switch {
	case errors.As(err, &failed) && failed.Sent:
		return outcome{verdict: inDoubt, err: err}
	case err != nil:
		return outcome{verdict: notSent, err: err}
	}
	return s.judge(answer)
}

// limit bounds one request.
func (s *sender) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := time.Duration(s.spec.Timeout)
	return resources.WithTimeout(ctx, timeout, fmt.Errorf("no answer within %s (timeout)", timeout))
}

// about sets the headers that say who asks, and as part of what.
func (s *sender) about(h http.Header, trace string, epoch int64) {
	h.Set("User-Agent", s.agent)
	h.Set(resources.FenceHeader, strconv.FormatInt(epoch, 10))
	h.Set(headerTrace, span(trace))
}

// judge says what an answer means.
func (s *sender) judge(a *post.Answer) outcome {
	o := outcome{status: a.Status, verdict: delivered, body: text(a.Body, s.spec.LogResponseBytes)}
	switch strings.ToLower(strings.TrimSpace(a.Header.Get(headerWord))) {
	case "disable":
		o.word = wordDisable
	case "abort-message":
		o.word = wordAbort
	}
	if a.Status/100 == 2 {
		return o
	}
	o.verdict = refused
	o.retryAfter = resources.RetryAfter(a.Header, time.Now(), time.Duration(s.spec.Retry.RetryAfterMax))
	o.err = fmt.Errorf("call %s: it answered %d %s", resources.RedactURL(s.spec.URL), a.Status, http.StatusText(a.Status))
	if location := a.Header.Get("Location"); a.Status/100 == 3 && location != "" {
		o.err = fmt.Errorf("%w, to %s; put the final address into url", o.err, resources.RedactURL(location))
	}
	if a.Status == http.StatusGone && s.spec.Disable.On410 {
		o.word = wordDisable
	}
	return o
}

// text returns the beginning of an answer as text.
func text(b []byte, most int) string {
	return strings.ToValidUTF8(string(b[:min(len(b), most)]), "\uFFFD")
}

// span returns a traceparent of W3C Trace Context for one request: the next span of the trace that an event is part of, or
// the first of a new one.
func span(parent string) string {
	var id [24]byte
	rand.Read(id[:])
	trace, flags := hex.EncodeToString(id[:16]), "01"
	if parts := strings.Split(parent, "-"); len(parts) == 4 && parts[0] == "00" && isHex(parts[1], 16) && isHex(parts[3], 1) {
		trace, flags = parts[1], parts[3]
	}
	return "00-" + trace + "-" + hex.EncodeToString(id[16:]) + "-" + flags
}

// isHex tells whether a text is so many bytes in lower-case hexadecimal, not all of them zero (but for a single one).
func isHex(s string, bytes int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == bytes && s == strings.ToLower(s) && (bytes == 1 || strings.Trim(s, "0") != "")
}
