//go:build linux

package campaign

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/drm-cluster/drm/cluster"
)

// never is when an operation returned whose outcome nobody learned: its effect may come at any time.
const never = cluster.Instant(math.MaxInt64)

// operation is what somebody did, or tried to do, to the claim of one resource.
type operation struct {
	by         string
	call, back cluster.Instant
	write      write
	outcome    outcome
	rev        int64 // of the change, once done
	found      found // what was there instead, when it was not
	others     bool  // other keys were guarded too: it may fail though the claim is as it was expected to be
}

// write is what was to be done: to put the claim on a lease, or to delete it, while its revision is as expected. A put that expects
// nothing takes the claim to be free, whether it says so or not.
type write struct {
	lease    cluster.LeaseID // 0: to delete
	expected int64           // 0: that there is no claim
}

// found is a claim as it was read: its revision, 0 for none, and the lease that it was on.
type found struct {
	rev   int64
	lease cluster.LeaseID
}

type outcome int

const (
	unknown outcome = iota // it may have been done, and may yet be
	done
	undone   // its guards did not hold
	refused  // nothing was done, and nothing of the claim is told by that
	vanished // the claim went with its lease, or by hand, whatever its revision was; etcd told afterwards
)

// logged is a line of a node's log, as far as it matters here. See lease/trace.go.
type logged struct {
	Msg      string
	Commit   int64
	Boottime cluster.Instant
	Rev      int64
	Err      string
	Unknown  bool
	Ops      []struct {
		Path   string
		Delete bool
		Lease  cluster.LeaseID
		If     []cluster.Guard
	}
	Results []struct {
		Done  bool
		Found []struct {
			Path  string
			Rev   int64
			Lease cluster.LeaseID
		}
	}
}

// histories are the operations on claims, by resource.
type histories map[string][]*operation

// readLog adds what the log of a node tells of.
func (h histories) readLog(path, node string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read log of node %s: %w", node, err)
	}
	defer file.Close()
	sent := map[int64][]*operation{} // by the number of the Commit
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // what a killed node did not end to write was never sent
		}
		var line logged
		if json.Unmarshal(text, &line) != nil {
			continue // not of the log: a panic, or the race detector
		}
		switch line.Msg {
		case "commit sent":
			sent[line.Commit] = h.sent(line, node)
		case "commit answered":
			line.answer(sent[line.Commit])
			delete(sent, line.Commit)
		}
	}
}

// sent adds the operations of a Commit and returns one for each of its ops: nil for those that don't write a claim.
func (h histories) sent(line logged, node string) []*operation {
	all := make([]*operation, len(line.Ops))
	for i, op := range line.Ops {
		resource, ok := strings.CutPrefix(op.Path, claims)
		if !ok {
			continue
		}
		o := &operation{by: node, call: line.Boottime, back: never, write: write{lease: op.Lease}}
		for _, guard := range op.If {
			if guard.Path == op.Path {
				o.write.expected = guard.Rev
			} else {
				o.others = true
			}
		}
		all[i] = o
		h[resource] = append(h[resource], o)
	}
	return all
}

// answer takes down what became of the operations of a Commit.
func (l logged) answer(ops []*operation) {
	for i, o := range ops {
		if o == nil || l.Unknown {
			continue
		}
		o.back = l.Boottime
		switch {
		case l.Err != "":
			o.outcome = refused
		case l.Results[i].Done:
			o.outcome, o.rev = done, l.Rev
		default:
			o.outcome = refused // unless it says what the claim was instead
			for _, f := range l.Results[i].Found {
				if strings.HasPrefix(f.Path, claims) {
					o.outcome, o.found = undone, found{f.Rev, f.Lease}
				}
			}
		}
	}
}

// claims is where the claims lie below a cluster's prefix.
const claims = "claims/"
