package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/drm-cluster/drm/cluster"
)

// problem is an error that the caller can do something about; its text says what.
type problem struct {
	status int
	text   string
}

func (p problem) Error() string { return p.text }

func badRequest(format string, args ...any) problem {
	return problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse tells an error. One that is no problem of the caller's is the node's: it can't reach its loop in time.
func (s *server) refuse(w http.ResponseWriter, err error) {
	var p problem
	if !errors.As(err, &p) {
		s.Log.Warn("http request not answered", "err", err)
		p = problem{http.StatusServiceUnavailable, err.Error() + "; see /readyz?verbose, or ask another node"}
	}
	s.tell(w, p.status, map[string]string{"error": p.text})
}

// tell sends a value as JSON, indented: it is read with curl as often as by a program.
func (s *server) tell(w http.ResponseWriter, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		s.Log.Error("encode answer", "err", err)
		status = http.StatusInternalServerError
		body.Reset()
		body.WriteString(`{"error": "this node can't encode its answer; its log says more"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body.Bytes()) //nolint:errcheck // a caller who is gone needs no answer
}

// wrongMethod refuses what is not one of the methods that a path serves.
func (s *server) wrongMethod(served []string) http.HandlerFunc {
	allowed := strings.ReplaceAll(strings.Join(served, ", "), http.MethodGet, "GET, HEAD")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		s.refuse(w, problem{http.StatusMethodNotAllowed, fmt.Sprintf(
			"%s is not possible here, only %s; resources are written with etcdctl, under %sresources/", r.Method, strings.Join(served, " and "), s.Prefix)})
	}
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	hint := "GET / lists what there is"
	if kind, ok := strings.CutPrefix(r.URL.Path, "/v1/resources/"); ok && kind != "" && !strings.Contains(kind, "/") {
		hint = "a resource is at /v1/resources/KIND/ID, and those of a kind at /v1/resources?kind=" + kind
	}
	s.refuse(w, problem{http.StatusNotFound, fmt.Sprintf("there is nothing at %s; %s", r.URL.Path, hint)})
}

func (s *server) crossOrigin(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, problem{http.StatusForbidden, "a page of another origin sent this; nothing can be written from there"})
}

// index lists what there is: as JSON to those who ask for it, else as text.
func (s *server) index(w http.ResponseWriter, r *http.Request) {
	type endpoint struct {
		Method string `json:"method"`
		Path   string `json:"path"`
		Says   string `json:"says"`
	}
	var list []endpoint
	for _, r := range s.routes() {
		list = append(list, endpoint{r.method(), strings.TrimSuffix(r.path, "{$}"), r.says})
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		s.tell(w, http.StatusOK, struct {
			Node      string     `json:"node"`
			Version   string     `json:"version"`
			Endpoints []endpoint `json:"endpoints"`
		}{s.Node, s.Version, list})
		return
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "drm %s, node %s\n\n", s.Version, s.Node)
	columns := tabwriter.NewWriter(&body, 0, 0, 2, ' ', 0)
	for _, e := range list {
		fmt.Fprintf(columns, "%s %s\t%s\n", e.Method, e.Path, e.Says)
	}
	columns.Flush()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(body.Bytes()) //nolint:errcheck // a caller who is gone needs no answer
}

// The types below are those of package cluster with their 64-bit numbers told as strings: a field of the outer
// struct hides the inner one of the same name.

type clusterAnswer struct {
	cluster.ClusterInfo
	Rev int64 `json:"revision,string"`
}

type resourceAnswer struct {
	Path string `json:"key"` // in the store, in full
	cluster.ResourceInfo
	SpecRev int64 `json:"spec_revision,string"`
	Epoch   int64 `json:"epoch,omitempty,string"`
}

type statusAnswer struct {
	cluster.Status
	Epoch   int64 `json:"epoch,string"`
	SpecRev int64 `json:"spec_revision,omitempty,string"`
}

type detailAnswer struct {
	resourceAnswer
	Spec      json.RawMessage `json:"spec"`
	Redacted  []string        `json:"redacted,omitempty"` // where in spec something is masked
	SpecError string          `json:"spec_error,omitempty"`
	Status    *statusAnswer   `json:"status,omitempty"` // what its holder wrote about its trouble
}

type pageAnswer struct {
	Items []resourceAnswer `json:"items"`
	Next  string           `json:"next,omitempty"` // the after of the next page; absent on the last
}

func (s *server) outline(info cluster.ResourceInfo) resourceAnswer {
	return resourceAnswer{s.Prefix + cluster.ResourcePath(info.Key), info, info.SpecRev, info.Epoch}
}
