package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/redistest"
)

// soon is for specs of tests: attempts follow each other closely.
const soon = `"reconnect": {"initial": "100ms", "max": "200ms"}`

// subscribers is how many connections a server has that subscribe to something.
func subscribers(s *redistest.Server) int {
	list, err := redis.String(s.Do("CLIENT", "LIST", "TYPE", "PUBSUB"), nil)
	if err != nil {
		panic(err)
	}
	return strings.Count(list, "\n")
}

// What is published becomes events: JSON, text, bytes that are no text, on channels of one byte and of all bytes; a message of two
// patterns comes twice. Seen to fail with pmessage read as message.
func TestMessagesBecomeEvents(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	plain := n.hold("plain", `{"url": "`+s.URL()+`", "channels": ["a", "`+strings.Repeat("long", 500)+`", "line\nfeed \"ü\""]}`).connected()
	pattern := n.hold("pattern", `{"url": "`+s.URL()+`", "mode": "pattern", "patterns": ["news.*", "news.?", "h[ae]llo"]}`).connected()
	sharded := n.hold("sharded", `{"url": "`+s.URL()+`", "mode": "sharded", "channels": ["a", "b"]}`).connected()
	if got := subscribers(s); got != 1 {
		t.Errorf("%d connections subscribe, want 1", got)
	}
	s.Do("PUBLISH", "a", `{"n": 12.50}`)
	s.Do("PUBLISH", strings.Repeat("long", 500), "text")
	s.Do("PUBLISH", "line\nfeed \"ü\"", "\xff\x00")
	s.Do("PUBLISH", "a", "")
	for i, want := range []struct{ subject, member, value, content string }{
		{"a", "data", "map[n:12.5]", "application/json"},
		{strings.Repeat("long", 500), "data", "text", "text/plain"},
		{"line\nfeed \"ü\"", "data_base64", "/wA=", "application/octet-stream"},
		{"a", "data", "", "text/plain"},
	} {
		e := plain.event()
		id := fmt.Sprintf("77-%d", i+1)
		if e["subject"] != want.subject || fmt.Sprint(e[want.member]) != want.value || e["datacontenttype"] != want.content ||
			e["id"] != id || e["type"] != "drm.redis.message" || e["drmepoch"] != "77" || e["drmnode"] != "n1" {
			t.Errorf("event %d is %.200v, want %+v", i, e, want)
		}
	}
	s.Do("PUBLISH", "news.x", "twice")
	s.Do("PUBLISH", "hallo", "once")
	for _, want := range []string{"twice", "twice", "once"} {
		pattern.data(want)
	}
	s.Do("SPUBLISH", "b", "shard")
	sharded.data("shard")
}

// Expressions see what came in, and what they fail on is dropped and counted. Seen to fail with the filter's answer not looked at.
func TestExpressions(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "`+s.URL()+`", "mode": "pattern", "patterns": ["p.*"],
		"filter": "data.price > 10 and channel != 'p.no'", "transform": "{'p': data.price * 2, 'of': pattern}"}`).connected()
	for _, m := range [][2]string{{"p.a", `{"price": 1}`}, {"p.no", `{"price": 100}`}, {"p.a", `nonsense`}, {"p.a", `{"price": 11}`}} {
		s.Do("PUBLISH", m[0], m[1])
	}
	h.data("map[of:p.* p:22]")
	if got := n.count.of(n.count.dropped, resources.DropExpression); got != 1 {
		t.Errorf("%d dropped by an expression, want 1", got)
	}
	text := n.hold("text", `{"url": "`+s.URL()+`", "channels": ["c"], "transform": "upper(data)"}`).connected()
	s.Do("PUBLISH", "c", "loud")
	text.data("LOUD")
}

// Two resources follow a channel over one connection; when one goes the other stays, and when it comes back the channel is subscribed to
// anew. A third, of another database, has its own connection. Seen to fail with the channel unsubscribed by whoever goes first.
func TestSharedChannel(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	spec := `{"url": "` + s.URL() + `", "channels": ["c"]}`
	a, b := n.hold("a", spec).connected(), n.hold("b", spec).connected()
	other := n.hold("other", `{"url": "`+s.URL()+`/1", "channels": ["c"]}`).connected()
	s.Do("PUBLISH", "c", "1")
	for _, h := range []*held{a, b, other} {
		h.data("1")
	}
	if got := subscribers(s); got != 2 {
		t.Errorf("%d connections subscribe, want 2", got)
	}
	a.end()
	s.Do("PUBLISH", "c", "2")
	b.data("2")
	a = n.hold("a", spec).connected()
	b.end()
	other.end()
	s.Do("PUBLISH", "c", "3")
	a.data("3")
	a.end()
	s.Until("unsubscribe", func() bool { return subscribers(s) == 0 })
}

// Subscriptions come and go in quick succession on a connection that others keep open: whoever comes last receives.
func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	n.hold("stays", `{"url": "`+s.URL()+`", "channels": ["other"]}`).connected()
	for i := range 30 {
		h := n.hold("x", `{"url": "`+s.URL()+`", "channels": ["c"]}`)
		if i%3 == 0 {
			h.end() // without waiting for the confirmation
			continue
		}
		h.connected()
		s.Do("PUBLISH", "c", fmt.Sprint(i))
		h.data(fmt.Sprint(i))
		h.end()
	}
}

// While a subscription is on its way out another comes to the same channel: it is live when its own is confirmed, not that of the one
// before. Seen to fail without line.ending.
func TestConfirmationOutOfDate(t *testing.T) {
	t.Parallel()
	c := topic{modePubsub, "c"}
	h := &hold{spec: &spec{}, claim: cluster.Claim{Report: func(cluster.Condition) {}}}
	after := &sub{hold: h, topic: c}
	h.subs = []*sub{after}
	u := &hub{topics: map[topic][]*sub{c: h.subs}, live: map[topic]bool{}}
	l := &line{wake: make(chan struct{}, 1), ending: map[topic]int{}}
	for _, verb := range []int{subscribe, unsubscribe, subscribe} {
		l.say(command{verb, c})
	}
	l.awaited, l.queue = l.queue, nil
	for i, kind := range []string{"subscribe", "unsubscribe", "subscribe"} {
		if err := u.answered(l, push{kind: kind, channel: "c"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if after.live != (i == 2) {
			t.Errorf("after answer %d it is live: %v", i+1, after.live)
		}
	}
}

// A message that is too long is left out, and costs nobody the connection: neither the resource nor those that share it. One that takes
// longer ones gets it, on the next connection too. Seen to fail with the limits of redisconn that hold by themselves.
func TestTooBig(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	small := n.hold("small", `{"url": "`+s.URL()+`", "channels": ["c"], "max_payload": "1KiB", "emit_gaps": false, `+soon+`}`).connected()
	big := n.hold("big", `{"url": "`+s.URL()+`", "channels": ["c"], "max_payload": "3MiB", "emit_gaps": false, `+soon+`}`).connected()
	s.Do("PUBLISH", "c", strings.Repeat("x", 5<<20))
	s.Do("PUBLISH", "c", strings.Repeat("y", 2<<20))
	s.Do("PUBLISH", "c", "z")
	small.data("z")
	big.data(strings.Repeat("y", 2<<20))
	big.data("z")
	if got := n.count.of(n.count.dropped, resources.DropTooBig); got != 3 {
		t.Errorf("%d dropped as too big, want 3", got)
	}
	if got := n.count.of(n.count.connects, resources.ConnectOK); got != 1 {
		t.Errorf("%d connections were made, want 1", got)
	}
	s.Do("CLIENT", "KILL", "TYPE", "pubsub")
	big.connected()
	s.Do("PUBLISH", "c", strings.Repeat("y", 2<<20))
	big.data(strings.Repeat("y", 2<<20))
}

// A user who may not read a channel is told so; those that share the connection go on, and so does the resource once it may. Seen to fail
// with an error answer taken for the end of the connection.
func TestOneChannelIsForbidden(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "me", "on", ">hush", "~*", "resetchannels", "&open", "+@all")
	n := newNode(t, nil)
	spec := `{"url": "redis://me@` + s.Addr + `", "password": "hush", "reconnect": {"on_auth_failure": "1s"}, "channels": ["%s"]}`
	open := n.hold("open", fmt.Sprintf(spec, "open")).connected()
	closed := n.hold("closed", fmt.Sprintf(spec, "closed"))
	closed.troubled(resources.StateAuthFailed, "NOPERM this user has no permissions to access one of the channels")
	s.Do("PUBLISH", "open", "1")
	open.data("1")
	s.Do("ACL", "SETUSER", "me", "&closed") // ends no connection
	closed.connected()
	s.Do("PUBLISH", "closed", "2")
	closed.data("2")
	if got := n.count.of(n.count.connects, resources.ConnectOK); got != 1 {
		t.Errorf("%d connections were made, want 1", got)
	}
}
