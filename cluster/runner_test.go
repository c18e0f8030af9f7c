package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// slowRunner runs resources that do nothing but take their time to stop. Words in a spec make it do worse.
type slowRunner struct {
	process *process
	ledger  *ledger
	over    <-chan struct{} // closed when the simulation is over: even what hangs returns then
}

// stopping is the most that it takes to stop: almost the stop budget.
const stopping = 900 * time.Millisecond

var errRefused = errors.New("the spec says that nobody can run it")

func (r *slowRunner) Check(spec json.RawMessage) error {
	if strings.Contains(string(spec), "invalid") {
		return errors.New("the spec says that it is invalid")
	}
	return nil
}

func (r *slowRunner) Run(ctx context.Context, c cluster.Claim) error {
	r.ledger.begin(r.process, c)
	defer r.ledger.end(r.process, c)
	var failing <-chan time.Time
	says := func(word string) bool { return strings.Contains(string(c.Spec), word) }
	switch {
	case says("refused"):
		return cluster.Permanent(errRefused)
	case says("flaky"):
		failing = time.After(rand.N(20 * time.Second))
	}
	select {
	case <-ctx.Done():
	case <-failing:
		if rand.IntN(4) == 0 {
			panic("flaky")
		}
		return errors.New("flaky")
	}
	if says("hangs") {
		<-r.over
	}
	time.Sleep(rand.N(stopping))
	return context.Cause(ctx)
}
