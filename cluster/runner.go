package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Runner runs the resources of one kind. A node calls its methods concurrently, for many resources.
type Runner interface {
	// Check says what is wrong with a spec, before anything is stopped for it. It must not block.
	Check(spec json.RawMessage) error

	// Run holds one resource until ctx ends, then returns promptly: within the stop budget everything that
	// it started must have ended. context.Cause(ctx) tells why. ctx.Err() asks the clock: whoever calls it before each
	// write sends nothing after trust has ended, even in a process that has just been woken up. A nil return while ctx lives means
	// that the work is done; Permanent(err), that no node can do it until the spec changes; any other error,
	// that it is to be tried again after a while, under a new epoch.
	Run(ctx context.Context, c Claim) error
}

// Claim is what a runner is given: the resource, and the right to hold it.
type Claim struct {
	Key  Key
	Spec json.RawMessage // passed Check
	// SpecRev is when the spec was put: one that was put again since, though it may say the same, has a greater one.
	SpecRev int64
	// Epoch is the fencing token: strictly increasing per resource, used for one run only. Pass it on
	// to whoever can refuse an older one.
	Epoch int64
	Node  string // the holder: this node
	// Held ends, at the latest, with the right to hold: when the claim is lost or its lease no longer trusted. When the resource is to
	// move, to change or to go, ctx ends and Held goes on until Run returns, for which that waits: what has been begun and must not be
	// cut off, such as a request that was sent and not answered yet, may be finished under it. Its Err asks the clock, as that of ctx.
	Held context.Context
	// Change is how the claim came, one of the Change constants; new means that nobody is known to have run the resource before.
	Change string
	// LastRun is when the run before this one ended, here or elsewhere, as far as this node knows: at a takeover, when its holder was
	// seen to be gone, which may be a TTL after its end. It goes by the wall clock of the node that handed it off. Zero: not known.
	LastRun time.Time
	// Past is how the run before fared, here or on another node, if it was in trouble; nil if it wasn't. A runner that waits between
	// attempts goes on from there: moving is no reason to begin anew.
	Past *Condition
	// Report tells how the resource fares; it may be called at any time from any goroutine and doesn't block.
	Report func(Condition)
}

// Condition is how a held resource fares, in the words of its kind.
type Condition struct {
	State string // a bounded set per kind, such as "connecting", "connected"; used as a metric label
	Err   error  // the trouble, nil when all is well; must not hold secrets
	// Of a runner that tries again by itself: how often in a row it has tried in vain, and when it does so next.
	Attempts int
	NextTry  time.Time
}

// Permanent marks an error that no node can get past until the spec changes.
func Permanent(err error) error { return permanentError{err} }

// IsPermanent tells whether an error was marked by Permanent.
func IsPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Why a runner's context ended; context.Cause tells which.
var (
	ErrTrustEnded = errors.New("the lease is no longer trusted")
	ErrClaimLost  = errors.New("the claim was deleted or taken by another")
	ErrMoving     = errors.New("the resource moves to another node")
	ErrChanged    = errors.New("the spec changed")
	ErrUnwanted   = errors.New("the resource was removed or paused")
	ErrLeaving    = errors.New("the node is leaving")
)
