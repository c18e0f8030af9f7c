package websocket

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/test/certtest"
)

// BenchmarkIdle opens idle connections and says how much memory each costs this process, all of it: read it from
// KiB/conn. The other side is a process of its own.
//
//	go test ./resources/websocket -run '^$' -bench Idle -benchtime 15000x
func BenchmarkIdle(b *testing.B) {
	b.Run("ws", func(b *testing.B) { idle(b, "ws", "", "") })
	b.Run("wss", func(b *testing.B) {
		dir := b.TempDir()
		a := certtest.New(b, dir)
		a.Leaf("feed.example")
		idle(b, "wss", filepath.Join(dir, "feed.example"), `, "tls": {"server_name": "feed.example", "ca_file": "`+a.Cert("ca")+`"}`)
	})
}

func idle(b *testing.B, scheme, leaf, fields string) {
	address := startIdleServer(b, leaf)
	sinks := sink.NewSet(sink.Options{Stdout: io.Discard})
	runner := New(Options{Sinks: sinks, Guard: &resources.Guard{AllowLoopback: true}})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var runs sync.WaitGroup
	before := residentKiB(b)
	dialling := make(chan struct{}, 64)
	connected := make(chan struct{}, b.N)
	for i := range b.N {
		dialling <- struct{}{}
		c := cluster.Claim{
			Key:   cluster.Key{Kind: Kind, ID: fmt.Sprint("idle-", i)},
			Spec:  json.RawMessage(`{"url": "` + scheme + `://` + address + `/"` + fields + `}`),
			Epoch: int64(i + 1),
			Node:  "n1",
			Report: func(c cluster.Condition) {
				if c.State == resources.StateConnected {
					<-dialling
					connected <- struct{}{}
				}
			},
		}
		own, stop := context.WithCancelCause(ctx) // as the cluster gives each run its own
		defer stop(nil)
		runs.Go(func() { _ = runner.Run(own, c) })
	}
	for range b.N {
		<-connected
	}
	b.ReportMetric(float64(residentKiB(b)-before)/float64(b.N), "KiB/conn")
	cancel()
	runs.Wait()
}

func startIdleServer(b *testing.B, leaf string) string {
	b.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "DRM_TEST_IDLE_SERVER=1", "DRM_TEST_IDLE_LEAF="+leaf)
	stdin, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = child.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// residentKiB is the memory of this process that is in RAM, once the collector has given back what it can.
func residentKiB(b *testing.B) int {
	b.Helper()
	for range 4 { // pools let go in the second collection, stacks shrink by half in each
		debug.FreeOSMemory()
	}
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(status), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * os.Getpagesize() / 1024
}
