package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// What the README shows of webhooks: what drm receive says is put, events are published, and the node that delivers them is killed in the middle. Each
// comes once, whoever sends it. Seen to fail with "in_doubt": "drop" (some are missing) and "retry" in mode at_least_once (some come twice).
func TestTourOfWebhooks(t *testing.T) {
	const events = 2000
	dev := start(t, command([]string{"TMPDIR=" + t.TempDir()}, "dev", "--etcd-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"))
	etcd, workers := "", map[string]int{}
	for line := ""; line != "Ctrl-C ends everything."; line = dev.line(t) {
		if found := regexp.MustCompile(`^  etcd +http://(\S+)`).FindStringSubmatch(line); found != nil {
			etcd = found[1]
		}
		if found := nodePids.FindStringSubmatch(line); found != nil {
			workers[found[1]], _ = strconv.Atoi(found[2])
		}
	}
	client := etcdtest.Client(t, []string{etcd})
	receiver := start(t, command(nil, "receive", "--listen", "127.0.0.1:0"))
	put := receiver.until(t, `^  etcdctl put (\S+) '(.*)'$`)
	if _, err := client.Put(t.Context(), put[1], put[2]); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range events {
		fmt.Fprintf(&lines, "%d\n", i)
	}
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() {
		p := process{env: []string{"ETCDCTL_ENDPOINTS=" + etcd}, stdin: strings.NewReader(lines.String()), stdout: new(strings.Builder), stderr: os.Stderr}
		if code := run(p, []string{"publish", "orders"}); code != exitOK {
			t.Errorf("publish ends with %d", code)
		}
	})
	for range events / 10 {
		receiver.until(t, `attempt 1  epoch \d+  signature good`)
	}
	answer, err := client.Get(t.Context(), "/drm/"+cluster.ClaimPath(cluster.Key{Kind: "webhook", ID: "shop"}))
	if err != nil {
		t.Fatal(err)
	}
	var claim cluster.ClaimValue
	if len(answer.Kvs) != 1 || json.Unmarshal(answer.Kvs[0].Value, &claim) != nil {
		t.Fatalf("who holds the webhook? %v", answer.Kvs)
	}
	if err := syscall.Kill(workers[claim.Node], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tally := receiver.until(t, fmt.Sprintf(`^%d events in .*`, events))[0]
	t.Log(tally)
	want := regexp.MustCompile(fmt.Sprintf(`^%[1]d events in %[1]d POSTs, each once; signatures: %[1]d good, 0 bad; \d+ under epoch \d+, \d+ under epoch \d+`, events))
	if !want.MatchString(tally) {
		t.Errorf("the receiver says %s\nwant %s", tally, want)
	}
}
