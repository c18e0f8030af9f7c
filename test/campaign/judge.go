//go:build linux

package campaign

import (
	"fmt"
	"time"

	"github.com/drm-cluster/drm/test/recorder"
)

// The checks, as docs/faults.md names them.
const (
	checkHeldTwice = "no resource is held twice"
	checkFrozen    = "a holder that was frozen sends nothing, and hangs up on waking"
	checkEpochs    = "epochs only grow"
	checkCalm      = "all is held again in time"
	checkTrust     = "all is let go before the TTL is over"
	checkLeaks     = "no process grows"
	checkLinear    = "operations on claims are linearizable"
	checkAccount   = "every change is accounted for"
	checkLogs      = "no node panics or races"
)

// violation is a promise that was broken.
type violation struct {
	check string
	err   error
}

// judge gathers violations. Its methods are for the test's goroutine.
type judge struct {
	violations []violation
	frozen     map[string][]freeze // by node
	excused    int                 // overlaps that a frozen node can't help
	told       int                 // overlaps looked into
}

// freeze is a time in which a node stood still.
type freeze struct{ from, woken time.Time }

// waking is how long after it was woken up a node may take to hang up.
const waking = time.Second

func newJudge() *judge { return &judge{frozen: map[string][]freeze{}} }

func (j *judge) violated(check string, err error) {
	j.violations = append(j.violations, violation{check, err})
}

func (j *judge) broken() []violation { return j.violations }

func (j *judge) froze(node string) { j.frozen[node] = append(j.frozen[node], freeze{from: time.Now()}) }
func (j *judge) woke(node string)  { j.frozen[node][len(j.frozen[node])-1].woken = time.Now() }

// hear judges what the recorder has seen since it was heard last, once every node that was frozen has been awake for a while.
// holder names the node that an epoch of a resource belonged to.
func (j *judge) hear(r recorder.Record, holder func(resource string, epoch int64) string) {
	ended := map[string]recorder.Conn{}
	for _, c := range r.Conns {
		ended[connection(c)] = c
	}
	for _, o := range r.Overlaps[j.told:] {
		node := holder(o.Older.Resource, o.Older.Epoch)
		f, excused := j.excuse(node, o)
		end := ended[connection(o.Older)]
		switch {
		case !excused:
			j.violated(checkHeldTwice, fmt.Errorf("%s: node %s connected though node %s was connected: %+v",
				o.Newer.Resource, holder(o.Newer.Resource, o.Newer.Epoch), node, o))
		case end.Received != o.Older.Received:
			j.violated(checkFrozen, fmt.Errorf("%s: node %s was frozen and replaced, and sent %d bytes more",
				o.Older.Resource, node, end.Received-o.Older.Received))
		case end.Open() || end.Closed.After(f.woken.Add(waking)):
			j.violated(checkFrozen, fmt.Errorf("%s: node %s was woken up at %v and hung up at %v", o.Older.Resource, node, f.woken, end.Closed))
		default:
			j.excused++
		}
	}
	j.told = len(r.Overlaps)
}

// connection tells the connections of a record apart.
func connection(c recorder.Conn) string {
	return fmt.Sprintf("%s %d %d", c.Resource, c.Epoch, c.Opened.UnixNano())
}

// excuse tells whether the older of two connections belonged to a node that was frozen, or had just been woken up.
func (j *judge) excuse(node string, o recorder.Overlap) (freeze, bool) {
	for _, f := range j.frozen[node] {
		if o.Newer.Opened.After(f.from) && o.Newer.Opened.Before(f.woken.Add(waking)) && o.Older.Opened.Before(f.from) && o.Newer.Epoch > o.Older.Epoch {
			return f, true
		}
	}
	return freeze{}, false
}

// hearEpochs judges the epochs of all that the recorder has seen. During a cut a dial may have arrived whose answer was lost; it
// is repeated under its epoch, by the runner whose epoch it is.
func (j *judge) hearEpochs(r recorder.Record, cutOff func(c recorder.Conn) bool) {
	for _, c := range r.Stale {
		j.violated(checkEpochs, fmt.Errorf("%s: epoch %d came after a higher one", c.Resource, c.Epoch))
	}
	for _, c := range r.Repeated {
		if !cutOff(c) {
			j.violated(checkEpochs, fmt.Errorf("%s: epoch %d came twice", c.Resource, c.Epoch))
		}
	}
	if r.Unfenced > 0 {
		j.violated(checkEpochs, fmt.Errorf("%d connections came without an epoch", r.Unfenced))
	}
}
