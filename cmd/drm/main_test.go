package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test binary is also drm, so that tests run real processes: with beDRM in its environment it does what drm would,
// but its worker may be a stand-in that does what a test wants.
const beDRM = "TEST_BE_DRM"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(beDRM) == "":
		os.Exit(m.Run())
	case os.Getenv(standIn) != "" && os.Args[1] == "worker":
		beStandIn()
	default:
		main()
	}
}

// command is drm with arguments, as a process to be started.
func command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(withoutSettings(os.Environ()), beDRM+"=1"), env...)
	return cmd
}

// call runs a command line inside the test.
func call(env []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(process{env: env, stdout: &out, stderr: &errs, signals: make(chan os.Signal)}, args)
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		name, args string
		env        string
		code       int
		says       string
	}{
		{"help", "", "", exitOK, "Additional help topics:"},
		{"a misspelt command", "rnu", "", exitUsage, "Did you mean this?\n\trun"},
		{"a misspelt flag", "run --endpoint x", "", exitUsage, "unknown flag: --endpoint; did you mean --endpoints?"},
		{"a flag like no other", "run --xyzzy", "", exitUsage, "unknown flag: --xyzzy\n"},
		{"an argument too many", "run here", "", exitUsage, "unknown command \"here\""},
		{"a bad value", "run --ttl 8", "", exitUsage, `invalid argument "8" for "--ttl" flag: time: missing unit`},
		{"a bad word", "run --log-level inf", "", exitUsage, "did you mean info?"},
		{"a bad variable", "run", "DRM_TTL=8", exitUsage, `invalid value "8" for DRM_TTL (--ttl): time: missing unit`},
		{"a misspelt variable", "version", "DRM_TTLS=8s", exitUsage, "unknown variable DRM_TTLS; did you mean DRM_TTL?"},
		{"an internal flag is no variable", "version", "DRM_GUARD=3", exitUsage, "unknown variable DRM_GUARD"},
		{"an empty variable is none", "version", "DRM_TTLS=", exitOK, "drm "},
		{"a Service called drm", "version", "DRM_SERVICE_HOST=10.0.0.1 DRM_PORT=tcp://10.0.0.1:80 DRM_PORT_80_TCP_ADDR=10.0.0.1 DRM_API_SERVICE_PORT_HTTP=80", exitOK, "drm "},
		{"the flag before the variable", "run --node a/b", "DRM_NODE=c/d", exitConfig, `"a/b"`},
		{"the variable", "run", "DRM_NODE=c/d", exitConfig, `"c/d"`},
		{"a weight out of range", "run --weight 0", "", exitConfig, "--weight is 0; it must be from 1 to 1000"},
		{"a negative capacity", "run --capacity -1", "", exitUsage, "not negative"},
		{"a listener without a port", "run --listen here", "", exitConfig, "--listen: address here: missing port"},
		{"no env file", "run --env-file /nowhere", "", exitConfig, "read --env-file: open /nowhere"},
		{"a prefix without its end", "run --prefix /drm", "", exitConfig, "must end in /"},
		{"a key without its certificate", "run --key k", "", exitConfig, "needs both"},
		{"nobody at etcd's address", "run --endpoints 127.0.0.1:1", "", exitUnreachable, "127.0.0.1:1"},
		{"etcdctl's variable", "run", "ETCDCTL_ENDPOINTS=127.0.0.1:3", exitUnreachable, "127.0.0.1:3"},
		{"drm's variable before etcdctl's", "run", "ETCDCTL_ENDPOINTS=127.0.0.1:3 DRM_ENDPOINTS=127.0.0.1:5", exitUnreachable, "127.0.0.1:5"},
		{"a worker by itself", "worker", "", exitUsage, "started by drm run only"},
		{"no nodes", "dev --nodes 0", "", exitConfig, "--nodes is 0"},
		{"too high a port", "dev --listen 127.0.0.1:65534 --etcd-listen 127.0.0.1:0", "", exitError, "at most 65535"},
		{"a feed without a place", "feed --listen 127.0.0.1:99999", "", exitError, "choose another address with --listen"},
		{"nobody to ask", "healthcheck --listen 127.0.0.1:1", "", exitError, "connection refused"},
		{"the codes", "help exit-codes", "", exitOK, "   70  Fenced"},
		{"the build", "version -o json", "", exitOK, `"go":"go1.`},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := call(strings.Fields(test.env), strings.Fields(test.args)...)
			if code != test.code || !strings.Contains(stdout+stderr, test.says) {
				t.Errorf("drm %s: code %d, want %d; want it to say %q; it said:\n%s%s", test.args, code, test.code, test.says, stdout, stderr)
			}
			if code != exitOK && stdout != "" {
				t.Errorf("drm %s: the error is on standard output:\n%s", test.args, stdout)
			}
		})
	}
}

func TestEnvFile(t *testing.T) {
	path := t.TempDir() + "/env"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n\nDRM_NODE=from/file\nDRM_WEIGHT=7\n")
	if code, _, said := call([]string{"DRM_ENV_FILE=" + path}, "run"); code != exitConfig || !strings.Contains(said, "from/file") {
		t.Errorf("the env file was not read: code %d: %s", code, said)
	}
	if _, _, said := call([]string{"DRM_NODE=from/env"}, "run", "--env-file", path); !strings.Contains(said, "from/env") {
		t.Errorf("the variable does not go before the file: %s", said)
	}
	write("DRM_NOED=a\n")
	if code, _, said := call(nil, "run", "--env-file", path); code != exitUsage || !strings.Contains(said, "unknown variable in "+path+" DRM_NOED; did you mean DRM_NODE?") {
		t.Errorf("a misspelt name: code %d: %s", code, said)
	}
	write("DRM_NODE\n")
	if code, _, said := call(nil, "run", "--env-file", path); code != exitConfig || !strings.Contains(said, path+":1:") {
		t.Errorf("a line that isn't one: code %d: %s", code, said)
	}
}

// A password in a variable must not show up among the worker's arguments, which everybody on the machine can
// read. Seen to fail with bind setting flags by FlagSet.Set.
func TestArgumentsOfTheWorker(t *testing.T) {
	s := &settings{}
	root := newRoot(process{})
	cmd, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	cmd.ResetFlags()
	s.define(cmd.Flags())
	if err := cmd.ParseFlags([]string{"--label", "b=2,a=1", "--endpoints", "x:1, y:2", "--lifeline", "3", "--capacity", "5"}); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"DRM_PASSWORD": "secret", "DRM_TTL": "9s"}
	if err := bind(cmd.Flags(), vars, knownVariables(root)); err != nil {
		t.Fatal(err)
	}
	if s.password != "secret" {
		t.Fatalf("the variable was not read: %q", s.password)
	}
	got := strings.Join(s.arguments(), " ")
	if want := "--capacity=5 --endpoints=x:1,y:2 --label=a=1,b=2"; got != want {
		t.Errorf("arguments are %s, want %s", got, want)
	}
}
