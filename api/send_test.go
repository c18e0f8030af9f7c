package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources/websocket"
)

// sender is a node that holds some websockets, or says why it can't send.
type sender struct {
	*node
	id   string
	errs map[string]error // by resource; none: it is sent
	sent []string
	url  string
}

func newSender(t *testing.T, id string, errs map[string]error) *sender {
	s := &sender{node: newNode(), id: id, errs: errs}
	handler := New(Options{
		Cluster: s.cluster(), Node: id, Metrics: http.NotFoundHandler(),
		Send: func(_ context.Context, to string, data []byte, binary bool) (int64, error) {
			err, here := s.errs[to]
			if !here {
				return 0, websocket.ErrNotHeld
			}
			if err == nil {
				s.sent = append(s.sent, fmt.Sprintf("%s %s %v", to, data, binary))
			}
			return 1 << 60, err
		},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if by := r.Header.Get(forwardedBy); by != "" && r.Host != id {
			t.Errorf("%s was asked by %s under the name %s", id, by, r.Host)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sender) post(t *testing.T, path, contentType, body string) (int, string) {
	t.Helper()
	answer, err := http.Post(s.url+"/v1/resources/"+path, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

// Whichever node is asked, the holder sends, under its own name whatever its address; and each reason why nothing is sent has
// its status. Two nodes that each take the other for the holder pass nothing to and fro. Seen to fail with Host left as it is, with
// the header of forwarded requests not looked at (the test then waits for ever), and with each check of readOutgoing left out.
func TestSend(t *testing.T) {
	a := newSender(t, "node-a", nil)
	b := newSender(t, "node-b", map[string]error{
		"feed": nil, "down": websocket.ErrNotConnected, "busy": fmt.Errorf("%w: so it is", websocket.ErrBusy), "torn": fmt.Errorf("send: torn"),
	})
	at := func(holder *sender) string { return strings.TrimPrefix(holder.url, "http://") }
	addr := func(id, holder, address string) {
		a.add(cluster.ResourceInfo{Key: cluster.Key{Kind: websocket.Kind, ID: id}, Holder: holder, Address: address})
	}
	for id := range b.errs {
		addr(id, "node-b", at(b))
	}
	addr("gone", "node-b", at(b)) // as a sees it; b sees that a has it
	b.add(cluster.ResourceInfo{Key: cluster.Key{Kind: websocket.Kind, ID: "gone"}, Holder: "node-a", Address: at(a)})
	addr("pending", "", "")
	addr("lost", "node-c", "127.0.0.1:1")
	for _, c := range []struct {
		path, contentType, body string
		status                  int
		says                    string
	}{
		{"websocket/feed/send", "application/json", `{"op":1}`, 200, `"epoch": "1152921504606846976"`},
		{"websocket/feed/send", "application/octet-stream", "\xff", 200, `"node": "node-b"`},
		{"websocket/down/send", "", "x", 503, "is not connected"},
		{"websocket/busy/send", "", "x", 429, "send_rate"},
		{"websocket/torn/send", "", "x", 502, "torn"},
		{"websocket/gone/send", "", "x", 409, "node node-a says that node-b holds it, which doesn't; try again"},
		{"websocket/pending/send", "", "x", 503, "nobody runs websocket/pending now"},
		{"websocket/lost/send", "", "x", 503, "ask node node-c"},
		{"websocket/none/send", "", "x", 404, "no resource websocket/none"},
		{"webhook/feed/send", "", "x", 404, "only resources of kind websocket can send"},
		{"websocket/feed/send", "text/plain", "\xff", 400, "not UTF-8"},
		{"websocket/feed/send", "", "", 400, "empty"},
		{"websocket/feed/send?text=x", "", "x", 400, "unknown parameter"},
		{"websocket/feed/send", "", strings.Repeat("x", maxMessage+1), 413, "larger than 1048576 bytes"},
	} {
		status, said := a.post(t, c.path, c.contentType, c.body)
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s %.20q: %d %s; want %d, %s", c.path, c.body, status, said, c.status, c.says)
		}
	}
	if got, want := strings.Join(b.sent, "; "), "feed {\"op\":1} false; feed \xff true"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}
