//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/redistest"
)

const (
	flood     = "flood"   // the channel of the messages that are counted
	floodSize = 150_000   // of them
	floodEnd  = "the end" // the last
)

// shareRedis puts resources that follow channels of one redis server, and counts connections; then one more resource is sent many messages,
// which it writes to standard output, and a loop with nothing but the library is sent as many.
func shareRedis(ctx context.Context, s *stage) ([]row, error) {
	dir := filepath.Join(s.b.dir, "redis")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	server, err := redistest.Run(dir, "--client-output-buffer-limit", "pubsub 0 0 0", "--save", "")
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	if err := s.start(ctx, nil, nil); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.PutAll(ctx, redisSpecs(server.Addr, s.n)); err != nil {
		return nil, err
	}
	if err := subscribed(ctx, server, s.n+1); err != nil {
		return nil, err
	}
	took := time.Since(began)
	clients, err := redis.String(server.Do("CLIENT", "LIST", "TYPE", "PUBSUB"))
	if err != nil {
		return nil, err
	}
	own, err := s.flooded(ctx, server.Addr)
	if err != nil {
		return nil, err
	}
	bare, err := bareLoop(ctx, server.Addr)
	if err != nil {
		return nil, err
	}
	rate := perSecond("messages of one channel, published at once, to standard output", s.n, floodSize, own)
	return []row{
		count("connections to a redis server, of three nodes", s.n, float64(strings.Count(clients, "\n")), "").exactly(nodes),
		seconds("  all of their channels subscribed to, from the first put", s.n, took),
		rate, perSecond("a loop with the library alone", s.n, floodSize, bare).against(rate),
	}, nil
}

// redisSpecs are the specs of n resources with a channel each, and of the one that is flooded.
func redisSpecs(addr string, n int) map[string]string {
	specs := map[string]string{}
	put := func(id, more string) {
		specs[cluster.ResourcePath(cluster.Key{Kind: "redis", ID: id})] = fmt.Sprintf(`{"url": "redis://%s", "channels": [%q]%s}`, addr, id, more)
	}
	for i := range n {
		put(fmt.Sprintf("r%d", i), "")
	}
	put(flood, `, "buffer": {"max_messages": 1000000, "max_bytes": "1GiB"}`)
	return specs
}

// subscribed returns once so many channels are subscribed to.
func subscribed(ctx context.Context, server *redistest.Process, channels int) error {
	return poll(ctx, fmt.Sprintf("%d channels", channels), func() (bool, error) {
		found, err := redis.Strings(server.Do("PUBSUB", "CHANNELS"))
		return len(found) == channels, err
	})
}

// poll asks again and again for what nothing tells of.
func poll(ctx context.Context, what string, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if ok, err := reached(); ok || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// flooded returns how long it takes until a node has written the last message.
func (s *stage) flooded(ctx context.Context, addr string) (time.Duration, error) {
	began := time.Now()
	if err := publish(addr); err != nil {
		return 0, err
	}
	err := poll(ctx, "the last message", func() (bool, error) {
		for _, node := range s.Nodes() {
			if found, err := written(node.LogPath(), 0, []byte(floodEnd)); found || err != nil {
				return found, err
			}
		}
		return false, nil
	})
	took := time.Since(began)
	for _, node := range s.Nodes() {
		m, metricsErr := node.Metrics(ctx)
		if dropped := m[`drm_messages_dropped_total{kind="redis",reason="buffer_full"}`]; metricsErr != nil || dropped > 0 {
			err = errors.Join(err, metricsErr, fmt.Errorf("%.0f messages were dropped", dropped))
		}
	}
	return took, err
}

// written tells whether a text is what a node has written last, of what follows an offset.
func written(path string, from int64, text []byte) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	const tail = 4 << 10 // nothing but a few lines of the log comes after the last message
	last := make([]byte, min(tail, info.Size()-from))
	if _, err := f.ReadAt(last, info.Size()-int64(len(last))); err != nil {
		return false, err
	}
	return bytes.Contains(last, text), nil
}

// publish sends all messages without waiting for answers in between.
func publish(addr string) error {
	conn, err := redis.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	message := strings.Repeat("x", 100)
	for i := range floodSize {
		if i == floodSize-1 {
			message = floodEnd
		}
		if err := conn.Send("PUBLISH", flood, message); err != nil {
			return err
		}
		if i%1000 == 999 {
			if _, err := conn.Do(""); err != nil {
				return err
			}
		}
	}
	_, err = conn.Do("")
	return err
}

// bareLoop returns how long it takes until a loop has received the last message.
func bareLoop(ctx context.Context, addr string) (time.Duration, error) {
	conn, err := redis.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	sub := redis.PubSubConn{Conn: conn}
	if err := sub.Subscribe(flood); err != nil {
		return 0, err
	}
	sub.Receive() // the confirmation
	published := make(chan error, 1)
	began := time.Now()
	go func() { published <- publish(addr) }()
	for {
		switch m := sub.ReceiveWithTimeout(within).(type) {
		case error:
			return 0, errors.Join(m, <-published)
		case redis.Message:
			if string(m.Data) == floodEnd {
				return time.Since(began), <-published
			}
		}
	}
}
