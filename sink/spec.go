package sink

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// Spec is the "sink" field of a resource's spec. The zero Spec is {"type": "stdout"}.
type Spec struct {
	http *httpSpec // nil: stdout
}

// Type returns the name of the sink, one of resources.SinkNames.
func (s Spec) Type() string {
	if s.http != nil {
		return resources.SinkHTTP
	}
	return resources.SinkStdout
}

// httpSpec is {"type": "http", …}.
type httpSpec struct {
	post.Target

	Type    string           `json:"type"`
	Timeout cluster.Duration `json:"timeout" min:"100ms" max:"10m"` // of one attempt
	Retry   struct {
		Initial cluster.Duration `json:"initial" min:"10ms" max:"10m"`
		Max     cluster.Duration `json:"max" min:"10ms" max:"1h"`
	} `json:"retry"`
	Batch int `json:"batch" min:"1" max:"1000"` // events in one request
}

// UnmarshalJSON reads the spec strictly: which fields there are depends on "type".
func (s *Spec) UnmarshalJSON(b []byte) error {
	var head struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return resources.Wrong("", `is not an object; give it one, such as {"type": "stdout"}`)
	}
	s.http = nil
	switch head.Type {
	case resources.SinkStdout:
		var only struct {
			Type string `json:"type"`
		}
		return resources.Decode(b, &only)
	case resources.SinkHTTP:
		return s.readHTTP(b)
	case nil:
		return resources.Wrong("type", "is missing; known types are "+known())
	}
	return resources.Wrong("type", fmt.Sprintf("is %q; known types are %s", fmt.Sprint(head.Type), known()))
}

func known() string {
	names := resources.SinkNames()
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (s *Spec) readHTTP(b []byte) error {
	h := &httpSpec{Target: post.DefaultTarget(), Timeout: cluster.Duration(10 * time.Second), Batch: 1}
	h.Retry.Initial = cluster.Duration(200 * time.Millisecond)
	h.Retry.Max = cluster.Duration(30 * time.Second)
	if err := resources.Decode(b, h); err != nil {
		return err
	}
	if err := h.Check(nil, "Content-Type"); err != nil {
		return err
	}
	s.http = h
	return nil
}
