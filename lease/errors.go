package lease

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/drm-cluster/drm/cluster"
)

// ErrClosed is returned by a Store that was closed.
var ErrClosed = errors.New("the connection to etcd was closed")

func codeOf(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	return status.Code(err)
}

// refused tells whether an error proves that etcd took nothing of the request. What is not on the list, a time-out
// above all, leaves the outcome open.
func refused(err error) bool {
	switch codeOf(err) {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition,
		codes.ResourceExhausted, codes.OutOfRange, codes.Unimplemented, codes.DataLoss:
		return true
	}
	return false
}

// elsewhere tells whether another member may give a better answer, or the same one later.
func elsewhere(err error) bool {
	if errors.Is(err, cluster.ErrRestored) {
		return false
	}
	return !refused(err) || errors.Is(err, rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner)) ||
		errors.Is(err, rpctypes.ErrTooManyRequests)
}

// tokenRefused tells whether a new login may help: the token expired, its member restarted, users or roles
// changed, or authentication was switched on.
func tokenRefused(err error) bool {
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) ||
		errors.Is(err, rpctypes.ErrUserEmpty)
}

// explain wraps an error of etcd as the port wants it, and adds what to do about it where that is known.
func (s *Store) explain(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cluster.ErrRestored):
		return fmt.Errorf("%s: %w", op, err)
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return fmt.Errorf("%s: %w", op, cluster.ErrLeaseNotFound)
	case !refused(err):
		return fmt.Errorf("%s: %w", op, err)
	}
	if advice := s.advice(err); advice != "" {
		return fmt.Errorf("%s: %w: %w; %s", op, cluster.ErrRefused, err, advice)
	}
	return fmt.Errorf("%s: %w: %w", op, cluster.ErrRefused, err)
}

func (s *Store) advice(err error) string {
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return "compact and defragment etcd, raise --quota-backend-bytes if need be, then run: etcdctl alarm disarm"
	case errors.Is(err, rpctypes.ErrCorrupt):
		return "etcd's members disagree: see etcd's guide to data corruption before anything else"
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Sprintf("grant the user's role the prefix: etcdctl role grant-permission ROLE readwrite --prefix %s", s.cfg.Prefix)
	case errors.Is(err, rpctypes.ErrAuthFailed):
		return fmt.Sprintf("check the password of user %q (ETCDCTL_USER, ETCDCTL_PASSWORD)", s.cfg.User)
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return "etcd wants authentication: give a user and password (ETCDCTL_USER=name:password) or a client certificate"
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return "etcd's --max-txn-ops must be 128 (its default) or more"
	case errors.Is(err, rpctypes.ErrRequestTooLarge), codeOf(err) == codes.ResourceExhausted && !errors.Is(err, rpctypes.ErrTooManyRequests):
		return "values must be smaller, or etcd's --max-request-bytes larger"
	}
	return ""
}
