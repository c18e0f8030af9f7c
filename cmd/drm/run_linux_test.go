package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/test/certtest"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// follow runs cmd and passes each line of its log to f, until it has ended in order.
func follow(t *testing.T, cmd *exec.Cmd, f func(line map[string]any)) {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		t.Log(lines.Text())
		line := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("the log is not JSON: %v", err)
		}
		f(line)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("want an orderly end, got %v", err)
	}
}

func runNode(etcd *etcdtest.Server, args ...string) *exec.Cmd {
	return command(nil, append([]string{
		"run", "--endpoints", etcd.Endpoint, "--node", "a", "--listen", "127.0.0.1:0", "--log-format", "json",
	}, args...)...)
}

// Neither a reload nor a request to end may kill a node that is still starting. Seen to fail (exit status 129 and 143)
// with signals passed on before the worker has said its first word.
func TestSignalsAtTheStart(t *testing.T) {
	etcd := etcdtest.Start(t)
	t.Run("SIGHUP", func(t *testing.T) {
		cmd, seen := runNode(etcd), 0
		follow(t, cmd, func(line map[string]any) {
			if seen++; seen < 20 {
				_ = cmd.Process.Signal(syscall.SIGHUP)
			}
			if line["msg"] == "term started" {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		})
	})
	t.Run("SIGTERM", func(t *testing.T) {
		cmd := runNode(etcd)
		follow(t, cmd, func(line map[string]any) {
			if line["msg"] == workerStarted {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		})
	})
}

// Seen to fail with the level read but not set.
func TestReloadLogLevel(t *testing.T) {
	etcd := etcdtest.Start(t)
	file := t.TempDir() + "/env"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("DRM_LOG_LEVEL=info\n")
	cmd := runNode(etcd, "--env-file", file)
	reloads, refused := 0, 0
	follow(t, cmd, func(line map[string]any) {
		switch {
		case line["msg"] == "term started":
			write("DRM_LOG_LEVEL=debug\n")
			_ = cmd.Process.Signal(syscall.SIGHUP)
		case line["msg"] == "settings reloaded":
			if line["log_level"] != "DEBUG" {
				t.Errorf("the level is %v after the reload", line["log_level"])
			}
			if reloads++; reloads == 2 { // supervisor and worker
				write("DRM_LOG_LEVEL=loud\n")
				_ = cmd.Process.Signal(syscall.SIGHUP)
			}
		case line["level"] == "ERROR":
			if refused++; refused == 2 {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	})
	if reloads != 2 || refused != 2 {
		t.Errorf("supervisor and worker reloaded %d times and refused a bad file %d times, want 2 and 2", reloads, refused)
	}
}

// SIGHUP tells whether the certificates in the files can be used, and a node whose files can't goes on. Seen to fail with
// ReloadTLS left out of reload.
func TestReloadCertificates(t *testing.T) {
	a := certtest.New(t, t.TempDir())
	a.Leaf("etcd")
	a.Leaf("node")
	etcd := etcdtest.Start(t, func(c *embed.Config) {
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = a.Cert("etcd"), a.Key("etcd")
		c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = a.Cert("ca"), true
	})
	cmd := runNode(etcd, "--cacert", a.Cert("ca"), "--cert", a.Cert("node"), "--key", a.Key("node"))
	reloads, refused := 0, 0
	follow(t, cmd, func(line map[string]any) {
		switch {
		case line["msg"] == "term started":
			if err := os.Remove(a.Key("node")); err != nil {
				t.Error(err)
			}
			_ = cmd.Process.Signal(syscall.SIGHUP)
		case line["level"] == "ERROR":
			if refused++; refused == 2 { // supervisor and worker
				a.Leaf("node")
				_ = cmd.Process.Signal(syscall.SIGHUP)
			}
		case line["msg"] == "settings reloaded":
			if reloads++; reloads == 2 {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	})
	if reloads != 2 || refused != 2 {
		t.Errorf("supervisor and worker reloaded %d times and refused missing files %d times, want 2 and 2", reloads, refused)
	}
}
