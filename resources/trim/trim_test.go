package trim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
)

// run runs the resource until end is called, which returns how it ended.
func (r *rig) run(key cluster.Key, spec string) (told <-chan cluster.Condition, end func(error) error) {
	r.t.Helper()
	epoch := r.put(cluster.ClaimPath(key), "{}", cluster.ResourcePath(key), spec)
	ctx, cancel := context.WithCancelCause(r.ctx)
	conditions, ended := make(chan cluster.Condition, 1000), make(chan error, 1)
	go func() {
		ended <- r.runner.Run(ctx, cluster.Claim{
			Key: key, Spec: []byte(spec), Epoch: epoch, Held: r.ctx, Report: func(c cluster.Condition) { conditions <- c },
		})
	}()
	r.t.Cleanup(func() { cancel(nil) })
	return conditions, func(why error) error {
		cancel(why)
		select {
		case err := <-ended:
			return err
		case <-r.ctx.Done():
			return errors.New("it does not end")
		}
	}
}

// Seen to fail with Run not writing down at its end what was counted, and with round looking for leftovers alone.
func TestItTrimsUntilItIsToEnd(t *testing.T) {
	r := newRig(t)
	r.runner.clock = lease.Boottime
	r.publish("a", 1, 3)
	r.put("resources/webhook/w", `{"url":"https://a.example","topics":["b"],"start":"oldest"}`)
	r.publish("b", 1, 2)
	told, end := r.run(Key, `{"retention":"1h","max_events":1,"every":"1s"}`)
	if c := <-told; c.State != stateLosing || !strings.Contains(fmt.Sprint(c.Err), "1 that not every webhook has delivered") {
		t.Errorf("told %+v", c)
	}
	r.want("b/e000002")
	r.counted(map[string]int{resources.TrimPassed: 3, resources.TrimMaxEvents: 1})
	<-told // a round later
	if err := end(cluster.ErrMoving); !errors.Is(err, cluster.ErrMoving) {
		t.Errorf("ended with %v; want %v", err, cluster.ErrMoving)
	}
	h := r.hold(`{}`)
	if counted := time.Duration(h.ages.Counted); counted < time.Second || counted > time.Minute {
		t.Errorf("it counted %v", counted)
	}
}

// Seen to fail with Run holding any.
func TestThereIsOneOfThisKind(t *testing.T) {
	r := newRig(t)
	_, end := r.run(cluster.Key{Kind: Kind, ID: "other"}, `{}`)
	if err := end(nil); !cluster.IsPermanent(err) || !strings.Contains(err.Error(), "trim/topics") {
		t.Errorf("another one: %v; want a permanent error that names the one there is", err)
	}
}

// What somebody has put stays. Seen to fail with Provide not guarded.
func TestItIsProvidedOnce(t *testing.T) {
	r := newRig(t)
	for before, want := range map[string]string{`{"paused":true}`: `{"paused":true}`, "": string(Default())} {
		r.put(cluster.ResourcePath(Key), before)
		if err := Provide(r.ctx, r.store); err != nil {
			t.Fatal(err)
		}
		found, err := r.store.Read(r.ctx, cluster.ResourcePath(Key))
		if err != nil || string(found[0].Value) != want {
			t.Errorf("after %q it is %s, %v; want %s", before, found[0].Value, err, want)
		}
	}
	if err := r.runner.Check(Default()); err != nil {
		t.Error(err)
	}
}

// A store that is full takes nothing but deletions, which it needs. Seen to fail with round ending when it can't write down what it counted.
func TestAFullStoreIsTrimmed(t *testing.T) {
	r := newRig(t, func(c *embed.Config) { c.QuotaBackendBytes = 2 << 20 })
	h := r.hold(`{"retention":"1h","max_events":2}`)
	full := false
	for i := 0; !full; i++ {
		_, err := r.store.Commit(r.ctx, []cluster.Op{{Path: fmt.Sprintf("topics/a/%d", i), Value: make([]byte, 500_000)}})
		full = errors.Is(err, cluster.ErrRefused)
	}
	r.after(time.Second, h)
	if n := len(r.there("topics/")); n != 2 {
		t.Errorf("%d events are left; want 2", n)
	}
}

// More than one pass can take in mind goes in several. Seen to fail with choose saying that there is no more.
func TestAnyNumberOfEventsIsTrimmed(t *testing.T) {
	const n = 250
	r := newRig(t)
	r.publish("a", 1, n)
	h := r.hold(`{"retention":"1h","max_events":10}`)
	h.perPass = 100
	r.after(0, h)
	if left := r.there("topics/"); len(left) != 10 || left[0] != fmt.Sprintf("a/e%06d", n-9) {
		t.Errorf("left are %d events, the first %v", len(left), left[:min(len(left), 1)])
	}
	r.counted(map[string]int{resources.TrimPassed: n - 10})
}

// Seen to fail with bounds left out, and with retention not compared.
func TestBadSpecs(t *testing.T) {
	for spec, says := range map[string]string{
		`{"retention":"200h"}`:                       "retention",
		`{"retention":"2h","max_retention":"1h"}`:    "more than max_retention",
		`{"max_events":0}`:                           "max_events",
		`{"every":"1ms"}`:                            "every",
		`{"grace":"-1s"}`:                            "grace",
		`{"retension":"1h"}`:                         `did you mean "retention"`,
		`{"retention":24}`:                           "retention",
		`{"retention":"1h","max_retention":"9000h"}`: "max_retention",
	} {
		if err := New(Options{}).Check([]byte(spec)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q in it", spec, err, says)
		}
	}
}

// The page on this kind shows every field with its default. Seen to fail with its grace at 11m, and with every left out of it.
func TestDocsShowTheDefaults(t *testing.T) {
	file, err := os.ReadFile("../../docs/kinds/trim.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(file), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	got, err := readSpec([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want, err := readSpec([]byte(`{"requires": {}, "prefers": {}, "weight": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[spec]()) {
		if name := f.Tag.Get("json"); name != "" && (!strings.Contains(example, `"`+name+`":`) || !strings.Contains(rest, "`"+name+"`")) {
			t.Errorf("the page has no %s", name)
		}
	}
}
