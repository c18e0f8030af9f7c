package lease

import (
	"fmt"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/drm-cluster/drm/cluster"
)

// pin remembers which etcd this is: the cluster's id and the highest revision seen. etcd restored from a
// snapshot may keep its id, but its revision falls, and a watch that waits for a later one waits in silence.
//
// A breach voids the life in which it was found: everything fails with ErrRestored until a Follow begins the
// next life, because nothing that was learnt before may be acted on, and a listing is where a term starts.
// Headers of keepalives and status are never judged: a member that lags answers them with an older revision.
type pin struct {
	mu      sync.Mutex
	life    *life
	breach  error
	cluster uint64
	rev     int64
}

// life is the time during which the pin held.
type life struct {
	voided chan struct{} // closed when the store turned out to be another one
}

func newPin() *pin { return &pin{life: &life{voided: make(chan struct{})}} }

// present returns the life that holds now, or why none does.
func (p *pin) present() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life, p.breach
}

// mark is what was known when a request was sent.
type mark struct {
	life *life
	rev  int64
}

// begin starts a new life when the last one was voided, and returns the present one.
func (p *pin) begin() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.breach != nil {
		p.life, p.breach, p.cluster, p.rev = &life{voided: make(chan struct{})}, nil, 0, 0
	}
	return p.life
}

// mark is to be taken before a request is sent: answers may come out of order, so what is seen while it is on its
// way proves nothing about it.
func (p *pin) mark() (mark, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return mark{p.life, p.rev}, p.breach
}

// check judges the header of a linearizable answer.
func (p *pin) check(m mark, h *pb.ResponseHeader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.life != m.life:
		return fmt.Errorf("%w: this answer was asked for before", cluster.ErrRestored)
	case p.breach != nil:
		return p.breach
	case p.cluster != 0 && h.ClusterId != p.cluster:
		return p.void("its cluster id was %x and is %x", p.cluster, h.ClusterId)
	case h.Revision < m.rev:
		return p.void("its revision was %d and is %d", m.rev, h.Revision)
	}
	p.cluster, p.rev = h.ClusterId, max(p.rev, h.Revision)
	return nil
}

// saw notes a revision of a watch in that life: it was committed, so later reads can't be below it.
func (p *pin) saw(l *life, h *pb.ResponseHeader, rev int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.life != l || p.breach != nil:
		return cluster.ErrRestored
	case p.cluster != 0 && h.ClusterId != p.cluster:
		return p.void("its cluster id was %x and is %x", p.cluster, h.ClusterId)
	}
	p.rev = max(p.rev, rev)
	return nil
}

func (p *pin) void(format string, was, is any) error {
	p.breach = fmt.Errorf("%w: "+format, cluster.ErrRestored, was, is)
	close(p.life.voided)
	return p.breach
}
