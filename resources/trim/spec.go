package trim

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// spec is what the resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared

	Retention    cluster.Duration `json:"retention" min:"0s" max:"168h"`     // how long an event stays that every webhook has passed
	MaxRetention cluster.Duration `json:"max_retention" min:"1s" max:"168h"` // how long any stays
	MaxEvents    int              `json:"max_events" min:"1" max:"10000000"` // how many stay
	Grace        cluster.Duration `json:"grace" min:"0s" max:"168h"`         // how long what was kept of a resource outlives it
	Every        cluster.Duration `json:"every" min:"1s" max:"1h"`           // how often to look
}

func defaults() spec {
	return spec{
		Retention:    cluster.Duration(24 * time.Hour),
		MaxRetention: cluster.Duration(events.MaxRetention),
		MaxEvents:    100_000,
		Grace:        cluster.Duration(10 * time.Minute),
		Every:        cluster.Duration(time.Minute),
	}
}

// Default returns the spec that the resource is created with. It has the fields that somebody may want to change.
func Default() []byte {
	d := defaults()
	return fmt.Appendf(nil, `{"retention":"%gh","max_retention":"%gh","max_events":%d}`,
		time.Duration(d.Retention).Hours(), time.Duration(d.MaxRetention).Hours(), d.MaxEvents)
}

// readSpec reads a spec strictly.
func readSpec(raw json.RawMessage) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if s.Retention > s.MaxRetention {
		return nil, resources.Wrong("retention", fmt.Sprintf("is more than max_retention, which is %v", time.Duration(s.MaxRetention)))
	}
	return &s, nil
}
