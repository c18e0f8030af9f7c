package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/drm-cluster/drm/cluster"
)

const (
	pageStandard = 500
	pageMost     = 5000
)

func (s *server) clusterInfo(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	info, err := s.Cluster.Info(r.Context())
	if err != nil {
		return nil, err
	}
	// Whoever reads a list wants one that is empty, not null.
	info.Nodes = append([]cluster.NodeInfo{}, info.Nodes...)
	info.Examples = append([]cluster.PendingInfo{}, info.Examples...)
	info.Malformed = append([]cluster.MalformedInfo{}, info.Malformed...)
	if info.Pending == nil {
		info.Pending = map[string]cluster.Unheld{}
	}
	return clusterAnswer{info, info.Rev}, nil
}

// resources tells a page of resources in the order of their keys.
func (s *server) resources(r *http.Request) (any, error) {
	q, err := query(r, "kind", "limit", "after")
	if err != nil {
		return nil, err
	}
	kind, limit, after := q.Get("kind"), pageStandard, cluster.Key{}
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > pageMost {
			return nil, badRequest("limit is %q; it must be a number from 1 to %d", text, pageMost)
		}
	}
	if text := q.Get("after"); text != "" {
		k, id, _ := strings.Cut(text, "/")
		if after, err = checkKey(k, id); err != nil {
			return nil, badRequest("after is %q; it must be KIND/ID, such as the next of the page before", text)
		}
	}
	if kind != "" {
		if err := cluster.CheckID(kind); err != nil {
			return nil, badRequest("kind: %v", err)
		}
	}
	// One more than asked for tells whether there is a next page.
	infos, err := s.Cluster.Resources(r.Context(), kind, after, limit+1)
	if err != nil {
		return nil, err
	}
	page := pageAnswer{Items: []resourceAnswer{}}
	if len(infos) > limit {
		infos = infos[:limit]
		page.Next = infos[limit-1].Key.String()
	}
	s.learn(r.Context(), infos)
	for _, info := range infos {
		page.Items = append(page.Items, s.outline(info))
	}
	return page, nil
}

// resource tells all about one resource: what this node's view has, and from the store its spec, its claim as it is by
// now, and what a holder elsewhere wrote about its trouble. When the store doesn't answer, what the view has is told.
func (s *server) resource(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	key, err := checkKey(r.PathValue("kind"), r.PathValue("id"))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	info, known, err := s.Cluster.Resource(r.Context(), key)
	if err != nil {
		return nil, err
	}
	answer, err := s.Cluster.Commit(r.Context(), []cluster.Op{{
		Read: []string{cluster.ResourcePath(key), cluster.StatusPath(key), cluster.ClaimPath(key)},
	}})
	if err == nil && (len(answer.Results) != 1 || len(answer.Results[0].Read) != 3) {
		err = fmt.Errorf("the store gave %d results for one request", len(answer.Results))
	}
	if err != nil {
		if !known {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		return detailAnswer{resourceAnswer: s.outline(info), SpecError: "etcd was not read: " + err.Error()}, nil
	}
	read := answer.Results[0].Read
	if !known {
		if read[0].Deleted {
			return nil, s.unknown(key)
		}
		// It was put so lately that the view hasn't got it.
		info = cluster.ResourceInfo{Key: key, State: "pending", SpecRev: read[0].Rev, Weight: 1}
	}
	return s.detail(info, read[0], read[1], read[2]), nil
}

// detail brings together what the view and the store say.
func (s *server) detail(info cluster.ResourceInfo, spec, status, claim cluster.Record) detailAnswer {
	asOf(&info, claim)
	told := fares(&info, status)
	d := detailAnswer{resourceAnswer: s.outline(info), Status: told}
	if spec.Deleted {
		d.SpecError = "it has been removed"
		return d
	}
	d.SpecRev = spec.Rev
	var err error
	if d.Spec, d.Redacted, err = redact(spec.Value); err != nil {
		d.SpecError = err.Error()
	}
	return d
}

// asOf corrects what the view says of the holder where the store knows of a newer claim, or of its end.
func asOf(info *cluster.ResourceInfo, claim cluster.Record) {
	switch {
	case claim.Deleted && info.Epoch == 0, claim.Rev <= info.Epoch:
	case claim.Deleted:
		info.Holder, info.Epoch, info.Lease, info.State, info.Error = "", 0, 0, "pending", ""
	default:
		var value cluster.ClaimValue
		if json.Unmarshal(claim.Value, &value) != nil {
			value.Node = "?" // written by hand: the lease decides who holds it, the value is for people
		}
		info.Holder, info.Epoch, info.Lease, info.State, info.Error = value.Node, claim.Rev, claim.Lease, stateHeld, ""
		info.Pending = nil
	}
}

// unknown says that there is no such resource, and how to find those there are.
func (s *server) unknown(key cluster.Key) problem {
	kinds := slices.Sorted(maps.Keys(s.Cluster.Stats().Resources))
	hint := "those of its kind are at /v1/resources?kind=" + key.Kind
	if !slices.Contains(kinds, key.Kind) {
		hint = "there is no resource of that kind"
		if len(kinds) > 0 {
			hint += "; kinds there are: " + strings.Join(kinds[:min(len(kinds), 20)], ", ")
		}
	}
	return problem{http.StatusNotFound, fmt.Sprintf("no resource %s (no key %s%s); %s",
		key, s.Prefix, cluster.ResourcePath(key), hint)}
}

func checkKey(kind, id string) (cluster.Key, error) {
	if err := cluster.CheckID(kind); err != nil {
		return cluster.Key{}, fmt.Errorf("kind: %w", err)
	}
	return cluster.Key{Kind: kind, ID: id}, cluster.CheckID(id)
}

// query reads the query strictly: a parameter misspelt would otherwise be one left out.
func query(r *http.Request, allowed ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("read query: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case len(allowed) == 0:
			return nil, badRequest("unknown parameter %q; there are none here", name)
		case !slices.Contains(allowed, name):
			return nil, badRequest("unknown parameter %q; known are %s", name, strings.Join(allowed, ", "))
		case len(q[name]) > 1:
			return nil, badRequest("%s is given %d times; give it once", name, len(q[name]))
		}
	}
	return q, nil
}
