package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

func ws(id string) cluster.Key { return cluster.Key{Kind: "websocket", ID: id} }

func TestCluster(t *testing.T) {
	n := newNode()
	n.info = cluster.ClusterInfo{
		Self: "a", Rev: 1<<53 + 1, Resources: 4, Held: 3,
		Nodes:    []cluster.NodeInfo{{ID: "a", State: "ready", Held: 3, Load: 3, Node: cluster.Node{Term: 9, Kinds: []string{"websocket"}}}},
		Pending:  map[string]cluster.Unheld{"kind": {Count: 1, Oldest: time.Unix(0, 0).UTC()}},
		Examples: []cluster.PendingInfo{{Key: ws("x"), Reason: "kind", Detail: "no node runs it"}},
	}
	var got map[string]any
	n.get(t, "/v1/cluster", &got)
	node := got["nodes"].([]any)[0].(map[string]any)
	for what, pair := range map[string][2]any{
		"revision":  {got["revision"], "9007199254740993"}, // a JSON number would be read as …992
		"nodes":     {[]any{node["id"], node["state"], node["held"]}, []any{"a", "ready", 3.0}},
		"pending":   {got["pending"], map[string]any{"kind": map[string]any{"count": 1.0, "oldest": "1970-01-01T00:00:00Z"}}},
		"example":   {got["examples"].([]any)[0].(map[string]any)["id"], "x"},
		"malformed": {got["malformed"], []any{}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
}

// A list is read to its end by following next, each resource once, of one kind or of all.
// Seen to fail with next set on a last page that is full, and with after left out.
func TestPages(t *testing.T) {
	n := newNode()
	for i := range 10 {
		n.add(cluster.ResourceInfo{Key: ws(fmt.Sprint("r", i)), State: "held", Epoch: 5, SpecRev: 4, Holder: "b"})
	}
	n.add(cluster.ResourceInfo{Key: cluster.Key{Kind: "redis", ID: "q+1"}, State: "pending"})
	for query, sizes := range map[string][]int{
		"limit=4":                {4, 4, 3},
		"limit=11":               {11},
		"kind=websocket&limit=5": {5, 5},
		"kind=redis":             {1},
		"kind=none":              {0},
		"":                       {11},
	} {
		var got []int
		seen := map[string]bool{}
		for after := ""; len(got) <= len(sizes); {
			var page struct {
				Items []struct{ Kind, ID, Key, Epoch, Holder string }
				Next  string
			}
			n.get(t, "/v1/resources?"+query+after, &page)
			got = append(got, len(page.Items))
			for _, item := range page.Items {
				if seen[item.Key] || item.Key != "/drm/resources/"+item.Kind+"/"+item.ID {
					t.Errorf("%s: key %q again or wrong", query, item.Key)
				}
				seen[item.Key] = true
			}
			if page.Next == "" {
				break
			}
			after = "&after=" + strings.ReplaceAll(page.Next, "+", "%2B")
		}
		if !reflect.DeepEqual(got, sizes) {
			t.Errorf("%q: pages of %v, want %v", query, got, sizes)
		}
	}
}

// put writes a spec and a claim of it by b to the store, and returns the claim's epoch.
func (n *node) put(key cluster.Key, spec string) (epoch int64) {
	n.memory.Put(cluster.ResourcePath(key), spec)
	return n.memory.Put(cluster.ClaimPath(key), `{"node":"b"}`)
}

type detail struct {
	Key, Kind, ID, Holder, Epoch, State string
	SpecRev                             string `json:"spec_revision"`
	LastError                           string `json:"last_error"`
	SpecError                           string `json:"spec_error"`
	Spec                                json.RawMessage
	Redacted                            []string
	Status                              map[string]any
	Pending                             *cluster.PendingInfo
}

type detailCase struct {
	name    string
	prepare func(*node)
	want    detail
}

// run asks a node that has been prepared for websocket/a and compares.
func (c detailCase) run(t *testing.T) {
	n := newNode()
	c.prepare(n)
	var got detail
	n.get(t, "/v1/resources/websocket/a", &got)
	c.want.Key, c.want.Kind, c.want.ID = "/drm/resources/websocket/a", "websocket", "a"
	got.Spec = nil
	if !reflect.DeepEqual(got, c.want) {
		t.Errorf("got  %+v\nwant %+v", got, c.want)
	}
}

// trouble writes what a node has to say of websocket/a.
func (n *node) trouble(node string, epoch int64) {
	text, _ := json.Marshal(cluster.Status{Node: node, Epoch: epoch, State: "failed", Error: "refused", SpecRev: 2})
	n.memory.Put(cluster.StatusPath(ws("a")), string(text))
}

// How a resource fares is its holder's word, wherever that is. Seen to fail with the node of the status not looked at.
func TestResource(t *testing.T) {
	key := ws("a")
	for _, c := range []detailCase{
		{"held here", func(n *node) {
			epoch := n.put(key, `{"url":"ws://h/"}`)
			n.add(cluster.ResourceInfo{Key: key, Holder: "a", Epoch: epoch, State: "connected", SpecRev: 2})
		}, detail{Holder: "a", Epoch: "3", State: "connected", SpecRev: "2"}},
		{"held elsewhere, all well", func(n *node) {
			n.add(cluster.ResourceInfo{Key: key, Holder: "b", Epoch: n.put(key, `{}`), State: "held"})
		}, detail{Holder: "b", Epoch: "3", State: "running", SpecRev: "2"}},
		{"held elsewhere, in trouble", func(n *node) {
			epoch := n.put(key, `{}`)
			n.trouble("b", epoch)
			n.add(cluster.ResourceInfo{Key: key, Holder: "b", Epoch: epoch, State: "held"})
		}, detail{Holder: "b", Epoch: "3", State: "failed", LastError: "refused", SpecRev: "2", Status: map[string]any{
			"node": "b", "epoch": "3", "state": "failed", "last_error": "refused", "spec_revision": "2", "since": "0001-01-01T00:00:00Z",
		}}},
		{"trouble of an earlier holder", func(n *node) {
			epoch := n.put(key, `{}`)
			n.trouble("c", 1)
			n.add(cluster.ResourceInfo{Key: key, Holder: "b", Epoch: epoch, State: "held"})
		}, detail{Holder: "b", Epoch: "3", State: "held", SpecRev: "2", Status: map[string]any{
			"node": "c", "epoch": "1", "state": "failed", "last_error": "refused", "spec_revision": "2", "since": "0001-01-01T00:00:00Z",
		}}},
	} {
		t.Run(c.name, c.run)
	}
}

// What is told of one resource is what the store has, where it knows better than the view, and what the view has,
// where the store doesn't answer. Seen to fail without the end of a claim looked at in asOf.
func TestResourceAsOfNow(t *testing.T) {
	key := ws("a")
	for _, c := range []detailCase{
		{"claimed since the view", func(n *node) {
			n.put(key, `{}`)
			n.add(cluster.ResourceInfo{Key: key, State: "pending", Pending: &cluster.PendingInfo{Key: key, Reason: "waiting"}})
		}, detail{Holder: "b", Epoch: "3", State: "running", SpecRev: "2"}},
		{"let go since the view", func(n *node) {
			epoch := n.put(key, `{}`)
			n.memory.Delete(cluster.ClaimPath(key))
			n.add(cluster.ResourceInfo{Key: key, Holder: "b", Epoch: epoch, State: "held"})
		}, detail{State: "pending", SpecRev: "2"}},
		{"pending", func(n *node) {
			n.memory.Put(cluster.ResourcePath(key), `{}`)
			n.add(cluster.ResourceInfo{Key: key, State: "pending", Pending: &cluster.PendingInfo{Key: key, Reason: "capacity"}})
		}, detail{State: "pending", SpecRev: "2", Pending: &cluster.PendingInfo{Key: key, Reason: "capacity"}}},
		{
			"not in the view yet", func(n *node) { n.memory.Put(cluster.ResourcePath(key), `{}`) },
			detail{State: "pending", SpecRev: "2"},
		},
		{"removed", func(n *node) {
			epoch := n.put(key, `{}`)
			n.memory.Delete(cluster.ResourcePath(key))
			n.add(cluster.ResourceInfo{Key: key, Holder: "a", Epoch: epoch, State: "stopping", SpecRev: 2})
		}, detail{Holder: "a", Epoch: "3", State: "stopping", SpecRev: "2", SpecError: "it has been removed"}},
		{
			"spec not JSON", func(n *node) { n.memory.Put(cluster.ResourcePath(key), `{ttl:60}`) },
			detail{State: "pending", SpecRev: "2", SpecError: "the spec is not JSON: invalid character 't' looking for beginning of object key string"},
		},
		{"etcd away", func(n *node) {
			n.add(cluster.ResourceInfo{Key: key, Holder: "a", Epoch: 3, State: "connected", SpecRev: 2})
			n.storeErr = errors.New("no leader")
		}, detail{Holder: "a", Epoch: "3", State: "connected", SpecRev: "2", SpecError: "etcd was not read: no leader"}},
	} {
		t.Run(c.name, c.run)
	}
}

// What neither the view nor the store can tell of is not told to be absent.
func TestResourceUnknownWithoutStore(t *testing.T) {
	n := newNode()
	n.storeErr = errors.New("no leader")
	if answer, body := n.ask(t, "GET", "/v1/resources/websocket/a"); answer.StatusCode != 503 || !strings.Contains(body, "no leader") {
		t.Errorf("%s %s", answer.Status, body)
	}
}

// Secrets in a spec don't pass; all else does, as it was written. Each row was seen to fail with its branch taken out.
func TestRedact(t *testing.T) {
	for _, c := range []struct{ name, spec, want, places string }{
		{"nothing to hide", `{"url":"ws://h:1/p","weight":12345678901234567890}`, `{"url":"ws://h:1/p","weight":12345678901234567890}`, ""},
		{
			"header", `{"headers":{"Authorization":"Bearer abc","X-Env":"prod"}}`,
			`{"headers":{"Authorization":"xxxxx","X-Env":"prod"}}`, "headers.Authorization",
		},
		{
			"spelt otherwise", `{"headers":{"X-Api-Key":"1"},"apiKey":2,"access_token":"t"}`,
			`{"access_token":"xxxxx","apiKey":"xxxxx","headers":{"X-Api-Key":"xxxxx"}}`, "access_token apiKey headers.X-Api-Key",
		},
		{"reference", `{"headers":{"Authorization":{"from_env":"TOKEN"}}}`, `{"headers":{"Authorization":{"from_env":"TOKEN"}}}`, ""},
		{
			"not quite a reference", `{"token":{"from_env":"TOKEN","value":"abc"}}`,
			`{"token":{"from_env":"xxxxx","value":"xxxxx"}}`, "token.from_env token.value",
		},
		{"all below", `{"auth":{"user":"u","more":[1,true,""]}}`, `{"auth":{"more":["xxxxx",true,""],"user":"xxxxx"}}`, "auth.more[0] auth.user"},
		{"url", `{"url":"wss://u:p@h/p?token=abc&v=2&flag#x"}`, `{"url":"wss://xxxxx@h/p?token=xxxxx&v=xxxxx&flag#xxxxx"}`, "url"},
		{"url that can't be read", `{"url":"wss://u:p@h:port/"}`, `{"url":"xxxxx"}`, "url"},
		{
			"JSON to be sent", `{"subscribe":["{\"op\":\"login\",\"token\":\"abc\"}","ping","{broken"]}`,
			`{"subscribe":["{\"op\":\"login\",\"token\":\"xxxxx\"}","ping","{broken"]}`, "subscribe[0].token",
		},
		{"JSON to be sent, harmless, as written", `{"subscribe":["{\"op\" : 1}"]}`, `{"subscribe":["{\"op\" : 1}"]}`, ""},
		{"markup", `{"a":"<&>"}`, `{"a":"<&>"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, places, err := redact([]byte(c.spec))
			if err != nil || string(got) != c.want || strings.Join(places, " ") != c.places {
				t.Errorf("%v\ngot  %s at %q\nwant %s at %q", err, got, places, c.want, c.places)
			}
		})
	}
	for _, bad := range []string{"", "{}{}", "nil", "{ttl:60}"} {
		if _, _, err := redact([]byte(bad)); err == nil {
			t.Errorf("%q passes for JSON", bad)
		}
	}
}
