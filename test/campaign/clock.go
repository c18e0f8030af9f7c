//go:build linux

package campaign

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A wall clock can't be set for one process: the kernel has one for the whole machine, and namespaces only for the others. So
// the nodes are built with a package time whose Now adds what a file says. It is all there is to a wall clock that was
// stepped: the reading of the monotonic clock, which timers, deadlines and durations are made of, comes from elsewhere and goes on as it was,
// as it does when somebody sets the date.

const clockVariable = "CAMPAIGN_CLOCK"

// steppable is a file added to package time.
const steppable = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var campaignClock = openCampaignClock()

func openCampaignClock() *int64 {
	path, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("open " + path + ": " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map " + path + ": " + err.Error())
	}
	_ = syscall.Close(fd)
	return (*int64)(unsafe.Pointer(&page[0]))
}

func campaignStep() int64 { return atomic.LoadInt64(campaignClock) }
`

// replacement is a file of the sources that another one stands in for when a program is built.
type replacement struct{ path, text string }

// steppableClock returns what is to be replaced in Go's own package time.
func steppableClock() ([]replacement, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go's sources: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	text, err := os.ReadFile(filepath.Join(dir, "time.go"))
	if err != nil {
		return nil, fmt.Errorf("read Go's package time: %w", err)
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reading) != 1 {
		return nil, fmt.Errorf("change Go's package time: %s doesn't read the clock as expected; adapt test/campaign/clock.go", dir)
	}
	now := strings.Replace(string(text), reading, reading+"\tsec += campaignStep()\n", 1)
	return []replacement{{filepath.Join(dir, "time.go"), now}, {filepath.Join(dir, "campaign.go"), steppable}}, nil
}

// overlay writes the files that stand in for others below a directory, and returns the flag for "go build".
func overlay(dir string, all []replacement) (flag string, err error) {
	replace := map[string]string{}
	for i, r := range all {
		replace[r.path] = filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(r.path)))
		if err := os.WriteFile(replace[r.path], []byte(r.text), 0o644); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return "-overlay=" + path, nil
}

// clock is the wall clock of one node: by how much it differs from the machine's.
type clock struct{ path string }

// newClock returns a clock that is right.
func newClock(path string) (clock, error) {
	c := clock{path}
	return c, c.set(0)
}

// set steps the clock, in one write, to differ by so much from the machine's.
func (c clock) set(by time.Duration) error {
	file, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("step clock: %w", err)
	}
	defer file.Close()
	if _, err := file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by/time.Second)), 0); err != nil {
		return fmt.Errorf("step clock: %w", err)
	}
	return nil
}

// variable is what a node is told of its clock.
func (c clock) variable() string { return clockVariable + "=" + c.path }
