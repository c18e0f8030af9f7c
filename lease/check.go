package lease

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// largeHistory is the number of revisions at which keeping all of them is no longer an etcd that is just new.
const largeHistory = 10_000

// What Check finds wrong with an etcd that answers.
var (
	// ErrUnfit: drm can't work with this etcd, however long it waits: it is too old.
	ErrUnfit = errors.New("this etcd won't do")
	// ErrAlarm: etcd has raised an alarm (no space left, or corrupt data) and takes no writes until somebody
	// has mended that.
	ErrAlarm = errors.New("etcd has raised an alarm")
)

// Check tells whether this etcd will do: the error says what has to be mended first, the warnings what should
// be. It is ErrUnfit or ErrAlarm, cluster.ErrRefused for lack of permission and the like, else no member could be
// reached. Check changes nothing in etcd, and blocks for at most twice the request timeout.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	statuses := s.statuses(ctx)
	var unreachable []error
	for i, st := range statuses {
		endpoint := s.cfg.Endpoints[i]
		w, err := judgeStatus(endpoint, st)
		switch {
		case errors.Is(err, ErrAlarm):
			return warnings, fmt.Errorf("check %s: %w; %s", endpoint, err, s.advice(err))
		case errors.Is(err, ErrUnfit), refused(err):
			return warnings, s.explain("check "+endpoint, err)
		case err != nil:
			unreachable = append(unreachable, fmt.Errorf("%s: %w", endpoint, err))
		}
		warnings = append(warnings, w...)
	}
	if len(unreachable) == len(statuses) {
		return warnings, fmt.Errorf("reach etcd: %w; is it running, are the endpoints right, and does it want TLS (https://)?", errors.Join(unreachable...))
	}
	for _, e := range unreachable {
		warnings = append(warnings, fmt.Sprintf("one endpoint can't be used now: %v", e))
	}
	if err := s.checkAccess(ctx); err != nil {
		return warnings, s.explain(fmt.Sprintf("use prefix %s", s.cfg.Prefix), err)
	}
	w, err := s.checkCompaction(ctx)
	if err != nil {
		return warnings, s.explain("read history", err)
	}
	return append(warnings, w...), nil
}

// memberStatus is what one member says of itself.
type memberStatus struct {
	*pb.StatusResponse
	err error
}

func (s *Store) statuses(ctx context.Context) []memberStatus {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	all := make([]memberStatus, len(s.members))
	var running sync.WaitGroup
	for i, m := range s.members {
		running.Go(func() {
			all[i].err = m.call(ctx, func(ctx context.Context) (err error) {
				all[i].StatusResponse, err = pb.NewMaintenanceClient(m.requests).Status(ctx, &pb.StatusRequest{})
				return err
			})
		})
	}
	running.Wait()
	return all
}

func judgeStatus(endpoint string, st memberStatus) (warnings []string, err error) {
	if st.err != nil {
		return nil, st.err
	}
	for _, trouble := range st.Errors {
		if strings.Contains(trouble, "NOSPACE") {
			return nil, fmt.Errorf("%w: NOSPACE: %w", ErrAlarm, rpctypes.ErrNoSpace)
		}
		if strings.Contains(trouble, "CORRUPT") {
			return nil, fmt.Errorf("%w: CORRUPT: %w", ErrAlarm, rpctypes.ErrCorrupt)
		}
	}
	if st.IsLearner {
		warnings = append(warnings, fmt.Sprintf("%s is a learner and answers nothing yet: promote it or leave it out of the endpoints", endpoint))
	}
	warning, err := judgeVersion(st.Version)
	if err != nil {
		return warnings, err
	}
	if warning != "" {
		warnings = append(warnings, endpoint+": "+warning)
	}
	return warnings, nil
}

// judgeVersion refuses what has reached its end of life and warns of what may answer a linearizable read with
// stale data after a pause, which looks like a restored store.
func judgeVersion(version string) (warning string, err error) {
	core, _, _ := strings.Cut(version, "-")
	var n [3]int
	parts := strings.Split(core, ".")
	if len(parts) != len(n) {
		return "", fmt.Errorf("read version %q of etcd: want three numbers", version)
	}
	for i, part := range parts {
		if n[i], err = strconv.Atoi(part); err != nil {
			return "", fmt.Errorf("read version %q of etcd: %w", version, err)
		}
	}
	switch {
	case n[0] < 3 || n[0] == 3 && n[1] < 5:
		return "", fmt.Errorf("%w: etcd %s is too old; upgrade to 3.5.28, 3.6.9 or later", ErrUnfit, version)
	case n[0] == 3 && (n[1] == 5 && n[2] < 28 || n[1] == 6 && n[2] < 9):
		return fmt.Sprintf("etcd %s has faults that matter here (stale reads after a pause, lost watch events); upgrade to 3.5.28, 3.6.9 or later", version), nil
	}
	return "", nil
}

// checkAccess asks for everything that drm does in its prefix, in a transaction that can't succeed: etcd checks the
// permissions of both branches and room for them before it looks at the condition.
func (s *Store) checkAccess(ctx context.Context) error {
	first, end := s.key(""), s.key("")
	end[len(end)-1]++
	_, err := s.txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: s.key(cluster.ControlFirst), Target: pb.Compare_VERSION, Result: pb.Compare_LESS,
			TargetUnion: &pb.Compare_Version{Version: 0},
		}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: first, RangeEnd: end},
		}}},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: first, RangeEnd: end, CountOnly: true},
		}}},
	})
	return err
}

// checkCompaction warns when etcd still has its first revisions though there are many.
func (s *Store) checkCompaction(ctx context.Context) (warnings []string, err error) {
	rev, err := s.revision(ctx)
	if err != nil || rev < largeHistory {
		return nil, err
	}
	_, err = s.read(ctx, "check", &pb.RangeRequest{Key: s.key(cluster.ControlFirst), Limit: 1, Revision: 2})
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("etcd keeps all of its %d revisions and will run out of space: start it with --auto-compaction-mode=periodic --auto-compaction-retention=1h", rev)}, nil
}
