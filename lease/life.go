package lease

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/drm-cluster/drm/cluster"
)

// process is what a kernel says of a process id.
type process struct {
	exists  bool
	known   bool   // the fields below could be read
	started uint64 // field 22 of /proc/PID/stat
	ended   bool   // a zombie without threads: its files are closed, and only its parent has not heard of it
	zombie  bool   // perhaps with threads that go on
}

// judge compares a published life with this process's own. look tells of a process in this pid namespace.
func judge(self, other cluster.Life, look func(pid int) process) cluster.Verdict {
	switch {
	case other.Boot == "" || self.Boot == "":
		return cluster.Unknown
	case other.Boot != self.Boot:
		// Only the same machine can have been started again since; another one may still run.
		if self.Machine != "" && self.Machine == other.Machine {
			return cluster.Dead
		}
		return cluster.Unknown
	case other.PIDNS == "" || other.PIDNS != self.PIDNS || other.PID <= 0:
		// Two containers share a boot id, and a pid of theirs can't be looked up here.
		return cluster.Unknown
	}
	p := look(other.PID)
	switch {
	case !p.exists:
		return cluster.Dead
	case !p.known:
		return cluster.Unknown
	case p.started != other.Started || p.ended:
		return cluster.Dead
	case p.zombie:
		return cluster.Unknown
	}
	return cluster.Alive
}

// parseStat reads /proc/PID/stat. The name in it may hold spaces and brackets, so the fields are counted from the
// last bracket.
func parseStat(stat string) (process, error) {
	i := strings.LastIndexByte(stat, ')')
	if i < 0 {
		return process{}, errors.New("read process: no name in its stat")
	}
	const state, threads, start = 0, 20 - 3, 22 - 3 // fields, counted from the third
	fields := strings.Fields(stat[i+1:])
	if len(fields) <= start {
		return process{}, fmt.Errorf("read process: its stat has %d fields; want 22", len(fields)+2)
	}
	started, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("read process: start time: %w", err)
	}
	n, err := strconv.Atoi(fields[threads])
	if err != nil {
		return process{}, fmt.Errorf("read process: threads: %w", err)
	}
	zombie := fields[state] == "Z" || fields[state] == "X"
	return process{exists: true, known: true, started: started, zombie: zombie, ended: zombie && n <= 1}, nil
}
