//go:build linux

package scale

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
)

// load is how much processor time has been used, and what etcd's members have in use.
type load struct {
	own     time.Duration
	members []time.Duration
	rss     []int64 // bytes
}

// load looks at all processes.
func (s *stage) load() load {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	l := load{own: time.Duration(u.Utime.Nano() + u.Stime.Nano())}
	for _, m := range s.etcd.Members {
		l.members = append(l.members, fleet.ProcessorTime(m.PID()))
		l.rss = append(l.rss, memory(m.PID(), "VmRSS"))
	}
	return l
}

func (l load) since(before load) load {
	l.own -= before.own
	for i := range l.members {
		l.members[i] -= before.members[i]
	}
	return l
}

func (l load) String() string {
	text := fmt.Sprintf("%.1f s in the nodes, etcd", l.own.Seconds())
	for i := range l.members {
		text += fmt.Sprintf(" %.1f s (%d MiB)", l.members[i].Seconds(), l.rss[i]>>20)
	}
	return text
}

// memory is a figure of /proc/PID/status in bytes, such as VmRSS, or VmHWM for the most it has been.
func memory(pid int, name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// traffic is what etcd's members have sent so far.
type traffic struct {
	sent   float64 // bytes to clients
	events float64 // events to watches
}

func (s *stage) traffic() (all traffic) {
	s.t.Helper()
	for _, m := range s.etcd.Members {
		answer, err := http.Get(m.Endpoint + "/metrics")
		s.must(err)
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), " ")
			n, _ := strconv.ParseFloat(value, 64)
			switch name {
			case "etcd_network_client_grpc_sent_bytes_total":
				all.sent += n
			case "etcd_debugging_mvcc_events_total":
				all.events += n
			}
		}
		_ = answer.Body.Close()
		s.must(lines.Err())
	}
	return all
}
