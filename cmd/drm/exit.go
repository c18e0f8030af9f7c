package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes. 69, 70 and 78 are those of sysexits.h.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitUnreachable = 69
	exitFenced      = 70
	exitConfig      = 78
)

// exitCodes says what each code means and what should be done about it; the help and docs/cli.md show it.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "All is well; a node handed everything off before it left."},
	{exitError, "Something went wrong while drm ran, or what was asked for was refused or not done in time. Restarting a node may help."},
	{exitUsage, "The command line or a DRM_ variable was not understood. Restarting won't help."},
	{exitUnreachable, "etcd could not be reached at start, or takes no writes: an alarm, such as no space left. Restart after a while."},
	{exitFenced, "Fenced: the node's trust in its leases ended and not everything stopped in time, so the process ended. Restart."},
	{exitConfig, "The configuration can't work: a value is out of range, a file can't be read, etcd refuses the user or is too old. Restarting won't help."},
}

// killedMeaning says what the codes above 128 mean.
const killedMeaning = `The worker of "drm run" was ended by signal n; its leases were revoked. Restart.`

// codedError is an error that decides the exit code; a nil err has been reported already.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit with code %d", e.code)
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

// exits makes err end the process with a code; nil stays nil.
func exits(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code: code, err: err}
}

// helpTopics are the pages of "drm help" that belong to no command.
func helpTopics() []*cobra.Command {
	codes := new(strings.Builder)
	codes.WriteString("drm ends with one of these codes:\n\n")
	for _, e := range exitCodes {
		fmt.Fprintf(codes, "%5d  %s\n", e.code, e.meaning)
	}
	fmt.Fprintf(codes, "128+n  %s\n\nFor systemd: Restart=on-failure and RestartPreventExitStatus=2 78.", killedMeaning)
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What each exit code means", Long: codes.String()},
		{Use: "environment", Short: "How flags, variables and files are read", Long: environmentHelp},
		{Use: "signals", Short: "What drm run does on each signal", Long: signalsHelp},
	}
}

const environmentHelp = `Every flag can be given as a variable: --drain-timeout is DRM_DRAIN_TIMEOUT. What counts is, in this order:
the flag, the variable, the line of the --env-file, for etcd's own settings the variable of etcdctl
(ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ...), the default. An empty variable counts as not set.

A variable that starts with DRM_ and belongs to no flag is an error, because it is probably misspelt. Those which
Kubernetes sets for a Service named drm (DRM_SERVICE_HOST, DRM_PORT, ...) are passed over.

An --env-file has lines of the form DRM_NAME=value; empty lines and lines that begin with # are skipped.`

const signalsHelp = `SIGTERM, SIGINT  Leave: hand every resource off to other nodes, within --drain-timeout, and exit 0.
                 A second one: stop everything at once and exit.
SIGHUP           Read the TLS files and the log level (from --env-file) again. Nothing restarts.
                 Certificates that are renewed in place need no signal: each new connection reads them.
SIGQUIT          Print the stacks of all goroutines and exit: for a bug report.
SIGPIPE          Nothing: a reader of the log that goes away stops nothing.

Send them to the supervisor, the process started as "drm run"; it passes them on to its worker.`
