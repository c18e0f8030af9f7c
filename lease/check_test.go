package lease

import (
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestCheckTellsWhenNothingAnswers(t *testing.T) {
	s := open(t, []string{"http://127.0.0.1:1"}, func(c *Config) { c.RequestTimeout = time.Second })
	_, err := s.Check(timeout(t))
	says(t, err, "reach etcd", "127.0.0.1:1", "connection refused", "endpoints right")

	e := etcdtest.Start(t)
	half := open(t, []string{e.Endpoint, "http://127.0.0.1:1"}, func(c *Config) { c.RequestTimeout = time.Second })
	warnings, err := half.Check(timeout(t))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "127.0.0.1:1") {
		t.Errorf("one of two: %q, %v; want a warning", warnings, err)
	}
}

func TestCheckWarnsOfAHistoryThatIsNeverCompacted(t *testing.T) {
	e := etcdtest.Start(t)
	s := open(t, e.Endpoints())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Every request makes one revision, however much it writes.
	work := make(chan int, largeHistory)
	for i := range largeHistory {
		work <- i
	}
	close(work)
	done := make(chan error, 16)
	for range 16 {
		go func() {
			for range work {
				if _, err := s.Commit(ctx, []cluster.Op{put("claims/a/1")}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	warnings, err := s.Check(ctx)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "--auto-compaction-retention") {
		t.Errorf("%q, %v; want a warning", warnings, err)
	}
	if _, err := etcdtest.Client(t, e.Endpoints()).Compact(ctx, 1000, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if warnings, err = s.Check(ctx); err != nil || len(warnings) != 0 {
		t.Errorf("once compacted: %q, %v; want none", warnings, err)
	}
}

func TestJudgeVersion(t *testing.T) {
	for version, want := range map[string]string{
		"3.4.45": "error", "2.3.0": "error", "3.5.27": "warning", "3.6.8": "warning", "3.7": "error", "3.x.1": "error",
		"3.5.28": "", "3.6.9": "", "3.7.0": "", "3.7.3": "", "3.8.0-alpha.0": "", "4.0.0": "",
	} {
		warning, err := judgeVersion(version)
		got := ""
		if err != nil {
			got = "error"
		} else if warning != "" {
			got = "warning"
		}
		if got != want {
			t.Errorf("%s: %q, %v; want %q", version, warning, err, want)
		}
	}
}
