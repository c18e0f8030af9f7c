package natstest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// StartCluster runs so many servers that know each other, until the test ends. Streams come from Replicated.
func StartCluster(t testing.TB, n int) []*Server {
	t.Helper()
	held := make([]net.Listener, n) // each port until its server takes it, so that nobody else is given it
	var routes []*url.URL
	for i := range held {
		var err error
		if held[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: held[i].Addr().String()})
	}
	servers := make([]*Server, n)
	for i := range servers {
		servers[i] = Start(t, func(o *server.Options) {
			o.ServerName = fmt.Sprintf("nats-%d", i+1)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: held[i].Addr().(*net.TCPAddr).Port}
			o.Routes = routes
			if err := held[i].Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
	return servers
}

// Replicated makes a stream on so many servers, as soon as they have elected a leader among them.
func Replicated(t testing.TB, js jetstream.JetStream, n int, name string, subjects ...string) {
	t.Helper()
	eventually(t, "make stream "+name, func(ctx context.Context) error {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: subjects, Replicas: n})
		return err
	})
}

// Elected waits until a stream answers.
func Elected(t testing.TB, js jetstream.JetStream, name string) {
	t.Helper()
	eventually(t, "look at stream "+name, func(ctx context.Context) error {
		_, err := js.Stream(ctx, name)
		return err
	})
}

// eventually tries something again and again, since servers tell nobody when they have a leader.
func eventually(t testing.TB, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		step, cancel := context.WithTimeout(ctx, time.Second)
		err := try(step)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
