//go:build linux

package campaign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// disks make the disk of single processes slow: the kernel lets through so many of their writes a second and holds up
// the rest, as it does for a container with a limit. Each fsync of etcd is one or two writes.
type disks struct {
	group  string // a directory of the controller blkio, one level above the groups of the members
	device string // major:minor of the disk that the data is on
}

const throttle = "blkio.throttle.write_iops_device"

// newDisks makes a group for each of a number of members whose data is in a directory. The error says what this machine lacks.
// close must be called.
func newDisks(dir string, members int) (*disks, error) {
	device, err := deviceOf(dir)
	if err != nil {
		return nil, err
	}
	const controller = "/sys/fs/cgroup/blkio"
	d := &disks{group: filepath.Join(controller, fmt.Sprintf("drm-campaign-%d", os.Getpid())), device: device}
	for i := range members {
		if err := os.MkdirAll(d.of(i), 0o755); err != nil {
			return nil, fmt.Errorf("the kernel's controller blkio (of cgroups v1) is needed to slow a disk down: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(d.of(0), throttle)); err != nil {
		return nil, errors.Join(fmt.Errorf("a kernel with CONFIG_BLK_DEV_THROTTLING is needed to slow a disk down: %w", err), d.close())
	}
	return d, nil
}

func (d *disks) of(member int) string { return filepath.Join(d.group, strconv.Itoa(member)) }

// slow holds the writes of a member's process down to a number a second; 0 lifts the limit.
func (d *disks) slow(member, pid, writes int) error {
	if err := os.WriteFile(filepath.Join(d.of(member), "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		return fmt.Errorf("slow down disk of process %d: %w", pid, err)
	}
	limit := fmt.Sprintf("%s %d", d.device, writes)
	if err := os.WriteFile(filepath.Join(d.of(member), throttle), []byte(limit), 0); err != nil {
		return fmt.Errorf("slow down disk of process %d: %w", pid, err)
	}
	return nil
}

// close removes the groups. Their processes must have ended.
func (d *disks) close() error {
	groups, err := filepath.Glob(filepath.Join(d.group, "[0-9]*"))
	errs := []error{err}
	for _, group := range append(groups, d.group) {
		if err := os.Remove(group); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// deviceOf returns the disk that a directory is on. Limits are for whole disks, not for partitions.
func deviceOf(dir string) (string, error) {
	var stat syscall.Stat_t
	if err := syscall.Stat(dir, &stat); err != nil {
		return "", fmt.Errorf("find the disk of %s: %w", dir, err)
	}
	link := fmt.Sprintf("/sys/dev/block/%d:%d", stat.Dev>>8&0xfff, stat.Dev&0xff|stat.Dev>>12&0xfff00)
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", fmt.Errorf("%s is on no disk that can be slowed down: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(path, "partition")); err == nil {
		path = filepath.Dir(path)
	}
	number, err := os.ReadFile(filepath.Join(path, "dev"))
	if err != nil {
		return "", fmt.Errorf("find the disk of %s: %w", dir, err)
	}
	return strings.TrimSpace(string(number)), nil
}
