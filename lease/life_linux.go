package lease

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drm-cluster/drm/cluster"
)

// Boottime returns the time on CLOCK_BOOTTIME, which goes on during suspend.
func Boottime() cluster.Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("read CLOCK_BOOTTIME: " + err.Error()) // Linux has had it since 2.6.39.
	}
	return cluster.Instant(t.Nano())
}

// initialPIDNS is the inode of the pid namespace that a machine starts with, a constant of Linux.
const initialPIDNS = "4026531836"

// Self returns what proves that this process is dead once it is. Machine is left out in a container, where the
// machine id is the image's and the same on every host.
func Self() (cluster.Life, error) {
	l := cluster.Life{PID: os.Getpid()}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return cluster.Life{}, fmt.Errorf("read boot id: %w", err)
	}
	l.Boot = strings.TrimSpace(string(boot))
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return cluster.Life{}, fmt.Errorf("read pid namespace: %w", err)
	}
	l.PIDNS = strconv.FormatUint(ns.Ino, 10)
	if machine, err := os.ReadFile("/etc/machine-id"); err == nil && l.PIDNS == initialPIDNS {
		l.Machine = strings.TrimSpace(string(machine))
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return cluster.Life{}, fmt.Errorf("read process: %w", err)
	}
	p, err := parseStat(string(stat))
	l.Started = p.started
	return l, err
}

// Judge says whether the process that published a life has ended, as far as can be told from here.
func Judge(l cluster.Life) cluster.Verdict {
	self, err := Self()
	if err != nil {
		return cluster.Unknown
	}
	return judge(self, l, look)
}

// look asks the kernel twice, because /proc may hide the processes of others (hidepid).
func look(pid int) process {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{exists: !errors.Is(unix.Kill(pid, 0), unix.ESRCH)}
	}
	p, _ := parseStat(string(stat)) // what can't be read is not known
	p.exists = true
	return p
}
