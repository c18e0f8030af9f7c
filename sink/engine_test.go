package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/nats-io/nats.go"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/test/natstest"
	"github.com/drm-cluster/drm/test/redistest"
)

func local(o Options) *Set {
	guard := &resources.Guard{AllowLoopback: true}
	o.NATS, o.Redis = natsconn.New(natsconn.Options{Guard: guard}), redisconn.NewDialer(guard)
	return NewSet(o)
}

// A stream of JetStream has each message once and in order, however often it is sent, and all resources share a connection. Seen to
// fail without the message id, and with a connection for each.
func TestJetStream(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	stream := natstest.Stream(t, js, "FEED", "feed.>")
	before := srv.Connects(t)
	set := local(Options{})
	spec := readSpec(t, `{"type": "nats", "url": "`+srv.URL+`", "subject": "feed.{kind}.{id}"}`)
	var senders sync.WaitGroup
	for i := range 5 {
		s := set.Open(spec, ignore)
		defer s.Close()
		messages := sample(300)
		for j := range messages {
			messages[j].Source = fmt.Sprint("drm/websocket/a.", i)
		}
		senders.Go(func() {
			for range 2 {
				if err := s.Send(t.Context(), messages); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Msgs != 1500 || info.State.NumSubjects != 5 {
		t.Fatalf("%+v (%v)", info, err)
	}
	last, err := stream.GetLastMsgForSubject(t.Context(), "feed.websocket.a_3")
	if err != nil || last.Header.Get("drm-fence") != "7" || !strings.Contains(string(last.Data), `"id":"7-300"`) {
		t.Errorf("the last is %+v (%v)", last, err)
	}
	if n := srv.Connects(t) - before; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// While no stream keeps the subject, or the server is away, the sink says so and sends when it is there. A message that is larger
// than the server takes is given up.
func TestJetStreamIsAway(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	var once sync.Once
	s := local(Options{}).Open(readSpec(t, `{"type": "nats", "url": "`+srv.URL+`", "subject": "feed", "timeout": "2s", "retry": {"max": "200ms"}}`), func(err error) {
		if err != nil && strings.Contains(err.Error(), "no stream keeps this subject") {
			once.Do(func() { natstest.Stream(t, js, "FEED", "feed") })
		}
	})
	defer s.Close()
	if err := s.Send(t.Context(), sample(2)); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	done := make(chan error)
	go func() { done <- s.Send(t.Context(), sample(4)[2:]) }()
	srv.Start(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "FEED")
	if err != nil || stream.CachedInfo().State.Msgs != 4 {
		t.Errorf("%+v (%v)", stream, err)
	}
	big := sample(2)
	big[0].Data = make([]byte, 2<<20)
	var refused *RefusedError
	if err := s.Send(t.Context(), big); !errors.As(err, &refused) || refused.Messages != 1 || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("Send returned %v", err)
	}
}

// Plain NATS hands messages to whoever listens, raw if asked to.
func TestPlainNATS(t *testing.T) {
	srv := natstest.Start(t)
	conn, err := nats.Connect(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sub, err := conn.SubscribeSync("feed.*")
	if err != nil || conn.Flush() != nil {
		t.Fatal(err)
	}
	s := local(Options{}).Open(readSpec(t, `{"type": "nats", "url": "`+srv.URL+`", "subject": "feed.{id}", "jetstream": false, "format": "raw"}`), ignore)
	defer s.Close()
	if err := s.Send(t.Context(), sample(3)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		m, err := sub.NextMsg(patience)
		if err != nil || m.Subject != "feed.feed" || string(m.Data) != fmt.Sprint("m", i) {
			t.Fatalf("message %d: %+v (%v)", i, m, err)
		}
	}
}

// A stream of redis has all messages in order, no longer than it may be, over one connection, and a channel's subscribers hear them.
// While the server takes none, the sink says why and tries again.
func TestRedis(t *testing.T) {
	server := redistest.Start(t)
	conn, err := redis.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	set := local(Options{})
	url := `"url": "redis://` + server.Addr + `", "retry": {"max": "100ms"}`
	var mended sync.Once
	stream := set.Open(readSpec(t, `{"type": "redis", "stream": "feed.{id}", `+url+`}`), func(err error) {
		if err != nil && strings.Contains(err.Error(), "WRONGTYPE") {
			mended.Do(func() { _, _ = conn.Do("DEL", "feed.feed") })
		}
	})
	defer stream.Close()
	if _, err := conn.Do("SET", "feed.feed", "x"); err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(t.Context(), sample(250)); err != nil {
		t.Fatal(err)
	}
	entries, err := redis.Values(conn.Do("XRANGE", "feed.feed", "-", "+"))
	if err != nil || len(entries) != 250 {
		t.Fatalf("%d entries (%v)", len(entries), err)
	}
	last, _ := redis.Values(entries[249], nil)
	fields, _ := redis.StringMap(last[1], nil)
	if fields["id"] != "drm/websocket/feed/7-250" || fields["epoch"] != "7" || !strings.Contains(fields["data"], `"data":"m249"`) {
		t.Errorf("the last has %v", fields)
	}
	listener := redis.PubSubConn{Conn: conn}
	if err := listener.Subscribe("feed"); err != nil {
		t.Fatal(err)
	}
	listener.Receive()
	channel := set.Open(readSpec(t, `{"type": "redis", "channel": "feed", "format": "raw", `+url+`}`), ignore)
	defer channel.Close()
	if err := channel.Send(t.Context(), sample(1)); err != nil {
		t.Fatal(err)
	}
	if m, ok := listener.ReceiveWithTimeout(patience).(redis.Message); !ok || string(m.Data) != "m0" {
		t.Errorf("heard %v", m)
	}
	if n := len(set.lines.used); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A server that hangs is given up on after the timeout, and asked again; with the end of ctx at once.
func TestRedisHangs(t *testing.T) {
	server := redistest.Start(t)
	s := local(Options{}).Open(readSpec(t, `{"type": "redis", "url": "redis://`+server.Addr+`", "stream": "a", "timeout": "100ms"}`), ignore)
	defer s.Close()
	if err := s.Send(t.Context(), sample(1)); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errors.New("moved"))
	defer cancel()
	if err := s.Send(ctx, sample(1)); err == nil || err.Error() != "moved" {
		t.Errorf("Send returned %v", err)
	}
}
