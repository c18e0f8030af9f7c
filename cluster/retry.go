package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrNoResource is told of a resource that is not there.
var ErrNoResource = errors.New("no such resource")

// Retriable tells whether trying again can help: not with work that is done, nor with a spec that is invalid.
func (s *Status) Retriable() bool { return s.State != stateDone && s.State != stateInvalid }

// Retry has a resource that is in trouble tried again now, wherever it is held: its holder forgets how often it has failed, when it was to be
// tried next, and that it was given up. It returns what is noted of the resource, nil if there is nothing: then nothing is done, nor if that
// is not Retriable. It puts the spec again as it is, on the lease that it is on, which anybody who may write it can do as well. commit
// is that of a Store; Retry blocks as it does.
func Retry(ctx context.Context, commit func(context.Context, []Op) (Answer, error), k Key) (*Status, error) {
	answer, err := commit(ctx, []Op{{Read: []string{ResourcePath(k), StatusPath(k)}}})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k, err)
	}
	spec, noted := answer.Results[0].Read[0], answer.Results[0].Read[1]
	if spec.Deleted {
		return nil, fmt.Errorf("retry %s: %w", k, ErrNoResource)
	}
	var s Status
	if noted.Deleted || json.Unmarshal(noted.Value, &s) != nil {
		return nil, nil
	}
	if !s.Retriable() {
		return &s, nil
	}
	op := Op{If: []Guard{{ResourcePath(k), spec.Rev}}, Path: ResourcePath(k), Value: spec.Value, Lease: spec.Lease}
	// When the guard doesn't hold, somebody has just put another spec, which has the same effect.
	if _, err := commit(ctx, []Op{op}); err != nil {
		return nil, fmt.Errorf("retry %s: %w", k, err)
	}
	return &s, nil
}
