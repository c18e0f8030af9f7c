package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/drm-cluster/drm/metrics"
)

// serveForTest serves until the test ends, and returns where.
func serveForTest(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop, done := startServing(t, func(ctx context.Context) error { return Serve(ctx, ln, handler) })
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func startServing(t *testing.T, serve func(context.Context) error) (stop func(), done <-chan error) {
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- serve(ctx) }()
	return cancel, result
}

// A request under way when the server is told to end is answered; then Serve returns, and nothing listens.
// Seen to fail with server.Close in place of Shutdown.
func TestServeFinishesRequests(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	stop, done := startServing(t, func(ctx context.Context) error {
		return Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-leave
			io.WriteString(w, "finished") //nolint:errcheck // the client looks
		}))
	})
	answered := make(chan string, 1)
	go func() { answered <- fetch("http://" + ln.Addr().String()) }()
	<-inside
	stop()
	waitClosed(t, ln.Addr().String())
	select {
	case err := <-done:
		t.Fatalf("Serve has returned %v with a request under way", err)
	default:
	}
	close(leave)
	if body := <-answered; body != "finished" {
		t.Errorf("the request under way got %q", body)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A request that doesn't end is cut, so that a process can. Seen to hang without server.Close.
func TestServeCutsRequests(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside := make(chan struct{})
	stop, done := startServing(t, func(ctx context.Context) error {
		return Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done()
		}))
	})
	answered := make(chan string, 1)
	go func() { answered <- fetch("http://" + ln.Addr().String()) }()
	<-inside
	began := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if took := time.Since(began); took < closeTimeout || took > closeTimeout+5*time.Second {
		t.Errorf("Serve took %s to end, want %s", took, closeTimeout)
	}
	<-answered
}

func TestServeTellsOfBrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), ln, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), "serve http on 127.0.0.1:") {
		t.Errorf("Serve on a closed listener: %v", err)
	}
}

// waitClosed returns once nothing listens at the address any more.
func waitClosed(t *testing.T, address string) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%s still listens", address)
		}
	}
}

// fetch returns the body at url, or the error as text.
func fetch(url string) string {
	answer, err := http.Get(url) //nolint:noctx // ends with the server
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// Profiles are served on loopback only, and to nobody under another name.
// Seen to fail with the look at the bound address left out of listenLoopback.
func TestDebug(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "6060", "127.0.0.1:notaport"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // or a refusal that doesn't come would hang the test
		err := Debug(ctx, addr)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "listen for debugging") {
			t.Errorf("Debug(%q): %v", addr, err)
		}
	}
	ln, err := listenLoopback(t.Context(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := Debug(t.Context(), ln.Addr().String()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Debug on a port in use: %v", err)
	}
	stop, done := startServing(t, func(ctx context.Context) error { return serve(ctx, ln, debugHandler(), 0) })
	base := "http://" + ln.Addr().String()
	if body := fetch(base + "/debug/pprof/goroutine?debug=1"); !strings.Contains(body, "goroutine profile:") {
		t.Errorf("goroutines: %s", body)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", base+"/debug/pprof/heap", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "evil.example"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %s", answer.Status)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The whole way: a node's metrics, through the server, to Prometheus' own linter.
func TestScrape(t *testing.T) {
	n := newNode()
	m := metrics.New(metrics.Options{Node: "a", Kinds: []string{"websocket"}})
	m.Collect(n.cluster().Stats)
	address := serveForTest(t, New(Options{Cluster: n.cluster(), Metrics: m.Handler(), Node: "a"}))
	body := fetch("http://" + address + "/metrics")
	if !strings.Contains(body, `drm_cluster_resources{kind="websocket"} 3`) {
		t.Fatalf("no resources in\n%s", body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = bytes.NewReader([]byte(body))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
}
