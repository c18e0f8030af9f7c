//go:build linux

package campaign

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// insideVariable is set for the process that runs in the campaign's own network.
const insideVariable = "CAMPAIGN_INSIDE"

// ownNetwork runs this program again in a network of its own and returns its exit code, with ran true; or false where it is to go on,
// because it is that one, or because none can be made here. In there all ports are free, addresses and rules disturb nobody, and
// all is gone with the last process.
func ownNetwork() (code int, ran bool) {
	if os.Getenv(insideVariable) != "" {
		return 0, false
	}
	if len(lacking()) > 0 {
		return 0, false
	}
	runtime.LockOSThread() // the signal below comes when the thread ends that has started the process
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, true
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1), true
	}
	return 0, false
}

// lacking says what a network of its own needs and this machine doesn't have.
func lacking() []string {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, command := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, command)
		}
	}
	return missing
}

// hubIP is where etcd and the recorder listen.
const hubIP = "10.210.0.1"

// network is a hub with a cable to each node:
//
//	  etcd, recorder, campaign            node n1            node n2
//	┌──── hub: 10.210.0.1 ────┐      ┌─ 10.210.1.2 ─┐   ┌─ 10.210.2.2 ─┐
//	│     cable1   cable2     │      │    eth0      │   │    eth0      │
//	└───────┼─────────┼───────┘      └─────┼────────┘   └─────┼────────┘
//	        └─────────┼────────────────────┘                  │
//	                  └───────────────────────────────────────┘
//
// Packets are dropped where they come out of a cable or go into it, in one direction or the other, and nobody is told: there is no
// reset, no closed port, only silence.
type network struct {
	holders []*exec.Cmd // one process for each node that keeps its network namespace
	stdins  []io.Closer
}

// newNetwork lays cables for a number of nodes. This process must be in a network of its own. close must be called.
func newNetwork(nodes int) (*network, error) {
	if os.Getenv(insideVariable) == "" {
		return nil, errors.New("lay network: this is the machine's own, which is to be left as it is")
	}
	n := &network{}
	err := run("ip", "link set lo up", "address replace "+hubIP+"/32 dev lo")
	if err == nil {
		err = run("nft", "add table inet cut", "delete table inet cut", "add table inet cut",
			"add set inet cut from { type ifname; }", "add set inet cut to { type ifname; }",
			"add chain inet cut in { type filter hook input priority 0; }", "add rule inet cut in iifname @from drop",
			"add chain inet cut out { type filter hook output priority 0; }", "add rule inet cut out oifname @to drop")
	}
	for i := 1; err == nil && i <= nodes; i++ {
		err = n.lay(i)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lay network: %w", err), n.close())
	}
	return n, nil
}

// lay lays the cable of node i, counted from 1.
func (n *network) lay(i int) error {
	holder := exec.Command("cat") // it ends when its input does, which is when this process is gone
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := holder.StdinPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		return fmt.Errorf("make namespace: %w", err)
	}
	n.holders, n.stdins = append(n.holders, holder), append(n.stdins, in)
	end := cable(i)
	err = run("ip",
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", end, holder.Process.Pid),
		fmt.Sprintf("address add 10.210.%d.1/24 dev %s", i, end),
		fmt.Sprintf("link set %s up", end))
	if err != nil {
		return err
	}
	return run("nsenter", inside(holder.Process.Pid)+" ip link set lo up",
		fmt.Sprintf("%s ip address add %s/24 dev eth0", inside(holder.Process.Pid), nodeIP(i)),
		inside(holder.Process.Pid)+" ip link set eth0 up",
		fmt.Sprintf("%s ip route add default via 10.210.%d.1", inside(holder.Process.Pid), i))
}

func (n *network) close() error {
	var errs []error
	for i, holder := range n.holders {
		errs = append(errs, run("ip", "link delete "+cable(i+1)), n.stdins[i].Close(), holder.Wait())
	}
	return errors.Join(errs...)
}

func cable(i int) string         { return fmt.Sprintf("cable%d", i) }
func nodeIP(i int) string        { return fmt.Sprintf("10.210.%d.2", i) }
func inside(pid int) string      { return fmt.Sprintf("--net=/proc/%d/ns/net", pid) }
func (n *network) pid(i int) int { return n.holders[i-1].Process.Pid }

// prepare has a node started at its end of the cable.
func (n *network) prepare(i int, cmd *exec.Cmd) {
	cmd.Args = append([]string{"nsenter", inside(n.pid(i)), "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("nsenter")
}

// drop drops what comes from a node, or what goes to it, until pass is called.
func (n *network) drop(i int, direction string) error {
	return run("nft", fmt.Sprintf("add element inet cut %s { %s }", direction, cable(i)))
}

func (n *network) pass(i int, direction string) error {
	return run("nft", fmt.Sprintf("delete element inet cut %s { %s }", direction, cable(i)))
}

// open asks the kernel at a node's end whether it has a connection open from an address there to a port here.
func (n *network) open(client netip.AddrPort, server uint16) bool {
	i := int(client.Addr().Unmap().As4()[2])
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", n.pid(i), table))
		if err != nil {
			return true // not to be told: it counts as open, and is looked into
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			const established = "01"
			if len(fields) > 3 && fields[3] == established && port(fields[1]) == client.Port() && port(fields[2]) == server {
				return true
			}
		}
	}
	return false
}

// port is that of an address as /proc/net/tcp writes it, such as 0201D20A:1F90.
func port(address string) uint16 {
	_, text, _ := strings.Cut(address, ":")
	number, _ := strconv.ParseUint(text, 16, 16)
	return uint16(number)
}

// run runs a command once for each line of arguments.
func run(command string, lines ...string) error {
	for _, line := range lines {
		out, err := exec.Command(command, strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w: %s", command, line, err, out)
		}
	}
	return nil
}
