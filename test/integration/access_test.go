//go:build linux

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/fleet"
)

// nobody is a user who owns nothing; its number is that on Linux.
const nobody = 65534

// guarded starts an etcd with authentication switched on by the commands of docs/operations.md: user drm may use the prefix /drm/,
// and nothing else. It returns a client that may do all.
func guarded(t *testing.T) (*etcdtest.Server, *clientv3.Client) {
	t.Helper()
	e := etcdtest.Start(t, func(c *embed.Config) { c.BcryptCost = 4 })
	ctx, c := t.Context(), etcdtest.Client(t, e.Endpoints())
	for i, step := range []func() error{
		func() error { _, err := c.RoleAdd(ctx, "drm"); return err },
		func() error {
			_, err := c.RoleGrantPermission(ctx, "drm", "/drm/", clientv3.GetPrefixRangeEnd("/drm/"), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := c.UserAdd(ctx, "drm", "secret"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "drm", "drm"); return err },
		func() error { _, err := c.UserAdd(ctx, "root", "mighty"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatalf("set up users, step %d: %v", i, err)
		}
	}
	return e, etcdtest.Client(t, e.Endpoints(), func(c *clientv3.Config) { c.Username, c.Password = "root", "mighty" })
}

// onGuarded returns a world whose nodes have no rights: with etcd none beyond the prefix, and on the machine those of nobody.
func onGuarded(t *testing.T, nodes, resources int) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as somebody else")
	}
	e, root := guarded(t)
	dir := t.TempDir()
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	// The directories of tests are closed to others.
	for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(filepath.Join(dir, "drm"), text, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, e.Endpoints(), "--user=drm:secret")
	w.Client, w.Program = root, filepath.Join(dir, "drm")
	w.Prepare = func(_ string, cmd *exec.Cmd) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	w.populate(nodes, resources)
	return w
}

// A node needs the prefix in etcd and no rights on its machine: not to hold, not to end a worker that was stopped, and not to give
// back what one leaves that was killed. Seen to fail with a role that lacks the right to read, and with a supervisor that doesn't log in: no
// node starts; and with one that gives nothing back: the leases are left to expire.
func TestNodesWithoutRights(t *testing.T) {
	w := onGuarded(t, 3, 60)
	for _, n := range w.Nodes() {
		for _, p := range []*fleet.Process{n.Supervisor, n.Worker} {
			if uid := status(t, p.PID, "Uid"); strings.Fields(uid)[0] != fmt.Sprint(nobody) {
				t.Errorf("process %d runs as %s", p.PID, uid)
			}
			if caps := status(t, p.PID, "CapEff"); strings.Trim(caps, "0") != "" {
				t.Errorf("process %d may do %s", p.PID, caps)
			}
		}
	}
	killedNode, stopped := w.node(0), w.node(1)
	lost, at := w.heldBy(killedNode.ID), time.Now()
	killedNode.Worker.Kill()
	w.reopened(lost, 60, at)
	w.left(killedNode, killed)
	if elapsed := time.Since(at); elapsed > ttl {
		t.Errorf("it took %v: the leases were left to expire", elapsed)
	}
	lost, at = w.heldBy(stopped.ID), time.Now()
	w.must(stopped.Worker.Stop(w.ctx))
	w.reopened(lost, 60, at)
	w.ended(stopped.Worker)
	// What the role doesn't cover is refused, in words that help.
	drm := etcdtest.Client(t, w.Client.Endpoints(), func(c *clientv3.Config) { c.Username, c.Password = "drm", "secret" })
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	if _, err := drm.Get(ctx, "/other/key"); err == nil {
		t.Error("the role reads beyond its prefix")
	}
}

// status is a line of /proc/PID/status.
func status(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("process %d has no %s", pid, name)
	return ""
}
