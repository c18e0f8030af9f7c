package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// node stands for a running node: what its loop would answer, and a store that is real but for being in memory.
type node struct {
	mu        sync.Mutex
	stats     cluster.Stats
	info      cluster.ClusterInfo
	resources map[cluster.Key]cluster.ResourceInfo
	loopErr   error
	storeErr  error

	memory *clustertest.Memory
	store  *clustertest.Client
}

func newNode() *node {
	memory := clustertest.NewMemory(1)
	return &node{
		stats: cluster.Stats{
			At: time.Now(), Term: 7, Planned: true, Trust: time.Hour, Resources: map[string]int{"websocket": 3, "redis": 1},
		},
		resources: map[cluster.Key]cluster.ResourceInfo{},
		memory:    memory,
		store:     memory.Client("a"),
	}
}

// add makes a resource known to the loop.
func (n *node) add(info cluster.ResourceInfo) { n.resources[info.Key] = info }

func (n *node) set(change func(*node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

func (n *node) cluster() Cluster {
	return Cluster{
		Stats: func() cluster.Stats { n.mu.Lock(); defer n.mu.Unlock(); return n.stats },
		Info:  func(context.Context) (cluster.ClusterInfo, error) { return n.info, n.loopErr },
		Resource: func(_ context.Context, key cluster.Key) (cluster.ResourceInfo, bool, error) {
			info, known := n.resources[key]
			return info, known, n.loopErr
		},
		Resources: func(_ context.Context, kind string, after cluster.Key, limit int) ([]cluster.ResourceInfo, error) {
			var page []cluster.ResourceInfo
			for _, key := range slices.SortedFunc(maps.Keys(n.resources), cluster.Key.Compare) {
				if (kind == "" || key.Kind == kind) && key.Compare(after) > 0 && len(page) < limit {
					page = append(page, n.resources[key])
				}
			}
			return page, n.loopErr
		},
		Commit: func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			if n.storeErr != nil {
				return cluster.Answer{}, n.storeErr
			}
			return n.store.Commit(ctx, ops)
		},
	}
}

func (n *node) handler() http.Handler {
	return New(Options{
		Cluster: n.cluster(),
		Metrics: http.NotFoundHandler(),
		Node:    "Node-A", Version: "v1.2.3",
		AllowedHosts: []string{"drm.example.com:7376", ".svc.cluster.local"},
	})
}

// ask sends one request to a real server and returns the answer with its body.
func (n *node) ask(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(n.handler())
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// get reads one JSON answer into value.
func (n *node) get(t *testing.T, path string, value any) {
	t.Helper()
	answer, body := n.ask(t, "GET", path)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("GET %s: %s\n%s", path, answer.Status, body)
	}
	if err := json.Unmarshal([]byte(body), value); err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, body)
	}
}

// Every refusal is JSON with one sentence that says what to do.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		status             int
		says               string
	}{
		{"no such page", "GET", "/v2/cluster", 404, "GET / lists what there is"},
		{"kind as a path", "GET", "/v1/resources/websocket", 404, "/v1/resources?kind=websocket"},
		{"no such id", "GET", "/v1/resources/websocket/nope", 404, "no key /drm/resources/websocket/nope"},
		{"no such kind", "GET", "/v1/resources/webscoket/a", 404, "kinds there are: redis, websocket"},
		{"id that can't be", "GET", "/v1/resources/websocket/a%20b", 400, "is not allowed"},
		{"id with a slash", "GET", "/v1/resources/websocket/a%2Fb", 400, "is not allowed"},
		{"kind that can't be", "GET", "/v1/resources?kind=a%2Fb", 400, "kind:"},
		{"limit no number", "GET", "/v1/resources?limit=all", 400, "from 1 to 5000"},
		{"limit 0", "GET", "/v1/resources?limit=0", 400, "from 1 to 5000"},
		{"limit too high", "GET", "/v1/resources?limit=5001", 400, "from 1 to 5000"},
		{"after no key", "GET", "/v1/resources?after=r1", 400, "KIND/ID"},
		{"parameter misspelt", "GET", "/v1/resources?kinds=redis", 400, "known are kind, limit, after"},
		{"parameter twice", "GET", "/v1/resources?kind=a&kind=b", 400, "give it once"},
		{"parameter where none is", "GET", "/v1/cluster?kind=a", 400, "there are none here"},
		{"query malformed", "GET", "/v1/resources?kind=%zz", 400, "read query"},
		{"write", "PUT", "/v1/resources/websocket/a", 405, "etcdctl, under /drm/resources/"},
		{"delete the index", "DELETE", "/", 405, "only GET"},
		{"post to health", "POST", "/healthz", 405, "only GET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, body := newNode().ask(t, c.method, c.path)
			var told struct{ Error string }
			if err := json.Unmarshal([]byte(body), &told); err != nil {
				t.Fatalf("%s: %v\n%s", answer.Status, err, body)
			}
			if answer.StatusCode != c.status || !strings.Contains(told.Error, c.says) {
				t.Errorf("%s %q, want %d with %q", answer.Status, told.Error, c.status, c.says)
			}
			if allow := answer.Header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

// A node that can't answer says so, and that others can.
func TestLoopDoesNotAnswer(t *testing.T) {
	n := newNode()
	n.loopErr = errors.New("ask the loop: context deadline exceeded")
	for _, path := range []string{"/v1/cluster", "/v1/resources", "/v1/resources/websocket/a"} {
		answer, body := n.ask(t, "GET", path)
		if answer.StatusCode != 503 || !strings.Contains(body, "ask another node") {
			t.Errorf("GET %s: %s %s", path, answer.Status, body)
		}
	}
}

// No more than two requests ask the loop at once; who waits in vain is told so.
// Seen to fail without the place taken in asked: all of them are let in.
func TestFewAskAtOnce(t *testing.T) {
	inside, leave := make(chan struct{}, maxAsking+1), make(chan struct{})
	n := newNode()
	c := n.cluster()
	c.Info = func(ctx context.Context) (cluster.ClusterInfo, error) {
		inside <- struct{}{}
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return cluster.ClusterInfo{}, nil
	}
	handler := New(Options{Cluster: c, Metrics: http.NotFoundHandler(), Node: "a"})
	var done sync.WaitGroup
	for range maxAsking {
		done.Go(func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://localhost/v1/cluster", nil))
		})
		<-inside
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "http://localhost/v1/cluster", nil))
	if answer.Code != 503 || len(inside) > 0 {
		t.Errorf("the third is answered %d, and let in: %t", answer.Code, len(inside) > 0)
	}
	close(leave)
	done.Wait()
}

func TestIndex(t *testing.T) {
	_, text := newNode().ask(t, "GET", "/")
	if !strings.HasPrefix(text, "drm v1.2.3, node Node-A\n") || !strings.Contains(text, "\nGET /v1/resources/{kind}/{id}  ") ||
		!strings.Contains(text, "\nPOST /v1/resources/{kind}/{id}/retry  ") {
		t.Errorf("index is\n%s", text)
	}
	answer, body := newNode().ask(t, "GET", "/", "Accept", "application/json")
	var index struct {
		Node      string
		Endpoints []struct{ Method, Path, Says string }
	}
	if err := json.Unmarshal([]byte(body), &index); err != nil || index.Node != "Node-A" || len(index.Endpoints) < 12 {
		t.Errorf("%s: %v\n%s", answer.Status, err, body)
	}
}
