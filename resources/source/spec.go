package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
)

// The forms of a list.
const (
	formatJSON  = "json"  // {"data": […]}, or what items says
	formatLines = "jsonl" // an entry a line
)

// spec is what a source resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared
	pull.Spec

	Kind       string                           `json:"kind"`   // of what is listed
	Prefix     string                           `json:"prefix"` // of its ids, before those that are listed
	Format     string                           `json:"format" oneof:"json jsonl"`
	Items      resources.Expression[body, any]  `json:"items"`       // gives the list; empty: the member data
	ID         resources.Expression[entry, any] `json:"id"`          // of an entry; empty: its member id
	Template   resources.Expression[entry, any] `json:"spec"`        // empty: all members but id
	MaxRemoval float64                          `json:"max_removal"` // what part of its own it may remove at once
	Recheck    cluster.Duration                 `json:"recheck" min:"1s" max:"8760h"`
}

// body is what items may name.
type body struct {
	Data    any               `expr:"data"`
	Headers map[string]string `expr:"headers"` // by names in lower case
}

// entry is what id and spec may name.
type entry struct {
	Data any    `expr:"data"` // one element of the list
	ID   string `expr:"id"`   // with the prefix; "" in id
}

// readSpec reads a spec strictly.
func (r *Runner) readSpec(raw []byte) (*spec, error) {
	s := spec{Spec: pull.Defaults(), Format: formatJSON, MaxRemoval: 0.5, Recheck: cluster.Duration(time.Hour)}
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if err := s.Spec.Check(); err != nil {
		return nil, err
	}
	switch {
	case s.Kind == "":
		return nil, resources.Wrong("kind", "is missing; say of what kind the resources are that are listed, such as "+strings.Join(r.o.Kinds, ", "))
	case s.Kind == Kind:
		return nil, resources.Wrong("kind", `is "source": a source can't list sources, which might list it in turn`)
	case !slices.Contains(r.o.Kinds, s.Kind):
		return nil, resources.Wrong("kind", fmt.Sprintf("is %q; known are %s", s.Kind, strings.Join(r.o.Kinds, ", ")))
	case s.Prefix != "" && cluster.CheckID(s.Prefix+"x") != nil:
		return nil, resources.Wrong("prefix", "can't be in an id; use letters, digits and . _ - ~ : @ + =")
	case s.MaxRemoval < 0 || s.MaxRemoval > 1:
		return nil, resources.Wrong("max_removal", "is out of range; it must be from 0 to 1")
	case s.Format == formatLines && !s.Items.Empty():
		return nil, resources.Wrong("items", `is given, but format is "jsonl", where each line is an entry`)
	}
	return &s, nil
}
