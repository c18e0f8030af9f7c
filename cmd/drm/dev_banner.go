package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/drm-cluster/drm/cluster"
)

// heard takes a line from a node: what it printed is printed, and from its log what matters.
func (d *dev) heard(l nodeLine) {
	if l.record == nil {
		d.screen.print("%s", l.text)
		return
	}
	switch message := l.field("msg"); message {
	case workerStarted:
		l.node.worker = l.number("worker")
		d.board.back(l.node.name)
		if d.welcomed {
			d.screen.print("%s  %s runs again: supervisor %d, worker %d", clock(), l.node.name, l.node.supervisor.pid, l.node.worker)
		}
		d.welcome(false)
	case workerEnded:
		if d.leavingSince.IsZero() {
			d.screen.print("%s  %s: %s", clock(), l.node.name, describeWorker(l.number("code")))
		}
		return
	case string(cluster.Started):
		d.board.started(l)
	case string(cluster.Stopped):
		d.board.stopped(l)
	}
	if level := slogLevel(l.field("level")); level >= slogLevel(d.logLevel) {
		d.screen.print("%s  %s  %s", clock(), l.node.name, l.sentence())
	}
}

// welcome shows the banner, once all workers are known or it has taken too long.
func (d *dev) welcome(late bool) {
	if d.welcomed || !late && slices.ContainsFunc(d.nodes, func(n *devNode) bool { return n.worker == 0 }) {
		return
	}
	d.welcomed = true
	text := new(strings.Builder)
	fmt.Fprintf(text, "drm dev: a cluster of %d on this machine, to try things on. Not for production.\n\n", len(d.nodes))
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  etcd\thttp://%s\tpid %d\t%s\n", d.etcdAddress, os.Getpid(), d.etcd.where())
	for _, n := range d.nodes {
		fmt.Fprintf(table, "  %s\thttp://%s\tworker %d\tsupervisor %d\n", n.name, n.listen, n.worker, n.supervisor.pid)
	}
	fmt.Fprintf(table, "  feed\tws://%s\t\ta websocket server that sends the time each second\n", d.feed.address)
	_ = table.Flush()
	text.WriteString(d.hints())
	d.screen.print("%s", text)
	d.board.show()
}

// hints are lines to copy.
func (d *dev) hints() string {
	n, etcdctl := d.nodes[0], "etcdctl"
	if d.etcdAddress != defaultEndpoints {
		etcdctl += " --endpoints=" + d.etcdAddress
	}
	again := "it is not started again (--restart 0)"
	if d.restart > 0 {
		again = fmt.Sprintf("it is started again after %v (--restart)", d.restart)
	}
	text := fmt.Sprintf(`
Put a resource, ask who holds it, remove it:
  %[1]s put /drm/resources/websocket/mine '{"url":"ws://%[2]s/mine"}'
  curl -s http://%[3]s/v1/resources/websocket/mine
  %[1]s del /drm/resources/websocket/mine

Have a url called for each event: "drm receive", in another terminal, is a receiver, and says what to put.

End a node and see what happens; %[4]s:
`, etcdctl, d.feed.address, n.listen, again)
	worker, supervisor := strconv.Itoa(n.worker), strconv.Itoa(n.supervisor.pid)
	for _, try := range [][2]string{
		{"kill -9 " + worker, "its worker crashes: others take over in milliseconds"},
		{"kill -9 " + supervisor + " " + worker, fmt.Sprintf("like a lost machine: others wait for its lease to end (%v, --ttl) or for it to come back", d.ttl)},
		{"kill " + supervisor, "it leaves in order: everything is handed over"},
		{"kill -STOP " + worker, "its worker hangs: its supervisor ends it before others take over"},
	} {
		text += fmt.Sprintf("  %-22s # %s\n", try[0], try[1])
	}
	return text + "Ctrl-C ends everything.\n"
}

// demoResources is how many resources --demo puts: a dozen can be followed by eye.
const demoResources = 12

// putDemo puts websockets on the feed, whose messages are posted back to it.
func (d *dev) putDemo() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for i := range demoResources {
		key := cluster.Key{Kind: "websocket", ID: fmt.Sprintf("demo-%02d", i+1)}
		spec := fmt.Sprintf(`{"url":"ws://%[1]s/%[2]s","sink":{"type":"http","url":"http://%[1]s/sink"}}`, d.feed.address, key.ID)
		_, err := d.etcd.Server.Put(ctx, &pb.PutRequest{Key: []byte("/drm/" + cluster.ResourcePath(key)), Value: []byte(spec)})
		if err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
		d.board.follow(key.ID)
	}
	return nil
}

// field is a field of the log line, "" when it isn't there or no text.
func (l nodeLine) field(name string) string {
	text, _ := l.record[name].(string)
	return text
}

// number is a field of the log line, 0 when it isn't there or no number. Pids and the revisions of a dev
// cluster fit into the 53 bits of a JSON number.
func (l nodeLine) number(field string) int {
	n, _ := l.record[field].(float64)
	return int(n)
}

// sentence is the log line for people.
func (l nodeLine) sentence() string {
	text := l.field("level") + " " + l.field("msg")
	for _, field := range slices.Sorted(maps.Keys(l.record)) {
		if !slices.Contains([]string{"time", "level", "msg", "node"}, field) {
			text += fmt.Sprintf("  %s=%v", field, l.record[field])
		}
	}
	return text
}
