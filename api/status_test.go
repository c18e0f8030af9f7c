package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// A list tells of trouble wherever the holder is, for more resources than one request to the store takes. Seen to fail
// with only the first request made, with the place in a request left out of the index, and with the node not looked at.
func TestPagesTellOfTrouble(t *testing.T) {
	n := newNode()
	troubled := []int{0, 7, 8, 500, 959, 960, 1199}
	const history, here, pending = 3, 4, 5
	for i := range 1200 {
		info := cluster.ResourceInfo{Key: ws(fmt.Sprintf("r%04d", i)), Holder: "b", Epoch: 9, State: "held"}
		status := cluster.Status{Node: "b", Epoch: 9, State: "failed", Error: info.ID}
		switch {
		case i == history:
			status.Node = "c"
		case i == here:
			info.Holder, info.State, info.Error = "a", "backing_off", "newer than what is written"
		case i == pending:
			info.Holder, info.State, info.Epoch = "", "pending", 0
		case !slices.Contains(troubled, i):
			status.State = ""
		}
		n.add(info)
		if status.State != "" {
			text, _ := json.Marshal(status)
			n.memory.Put(cluster.StatusPath(info.Key), string(text))
		}
	}
	states := func() (states, errs []string) {
		var page struct {
			Items []struct {
				State string
				Error string `json:"last_error"`
			}
		}
		n.get(t, "/v1/resources?limit=5000", &page)
		for _, item := range page.Items {
			states, errs = append(states, item.State), append(errs, item.Error)
		}
		return states, errs
	}
	got, errs := states()
	for i, state := range got {
		want, wrong := "running", ""
		switch {
		case slices.Contains(troubled, i):
			want, wrong = "failed", fmt.Sprintf("r%04d", i)
		case i == history:
			want = "held"
		case i == here:
			want, wrong = "backing_off", "newer than what is written"
		case i == pending:
			want = "pending"
		}
		if state != want || errs[i] != wrong {
			t.Errorf("r%04d is %s %q, want %s %q", i, state, errs[i], want, wrong)
		}
	}

	n.storeErr = errors.New("no leader")
	got, _ = states()
	if len(got) != 1200 || got[0] != "held" || got[here] != "backing_off" {
		t.Errorf("without the store %d are listed, the first as %s", len(got), got[0])
	}
}
