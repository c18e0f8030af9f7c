package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// oldEtcd says that it is an etcd of years ago.
type oldEtcd struct {
	pb.UnimplementedMaintenanceServer
}

func (oldEtcd) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Version: "3.4.30"}, nil
}

// An etcd that can be reached but won't do ends a node at its start, with advice, and with the code that says whether
// starting again may help. Seen to fail with both cases taken out of check.
func TestUnusableEtcd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old := grpc.NewServer()
	pb.RegisterMaintenanceServer(old, oldEtcd{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = old.Serve(listener) })
	t.Cleanup(func() { old.Stop(); serving.Wait() })

	full := etcdtest.Start(t)
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_NOSPACE, MemberID: uint64(full.Etcd.Server.MemberID())}
	if _, err := full.Etcd.Server.Alarm(t.Context(), alarm); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name, endpoint string
		code           int
		says           []string
	}{
		{"too old", "http://" + listener.Addr().String(), exitConfig, []string{"3.4.30 is too old", "upgrade"}},
		{"no space", full.Endpoint, exitUnreachable, []string{"NOSPACE", "defragment", "etcdctl alarm disarm"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, said := call(nil, "run", "--endpoints", test.endpoint)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, text := range test.says {
				if !strings.Contains(said, text) || strings.Contains(said, "--endpoints") {
					t.Errorf("it does not say %q, or speaks of --endpoints: %s", text, said)
				}
			}
		})
	}
}
