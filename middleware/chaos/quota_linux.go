package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// quotaScript puts the process $1 back into the control group $2 after $4 seconds, or when
// it is terminated, and removes the control group $3. It runs outside of the quota.
const quotaScript = `trap 'kill "$n"; exit' TERM HUP INT
trap 'lift "$@"' EXIT
lift() {
  echo "$1" >"$2/cgroup.procs"
  k=0
  until rmdir "$3" || [ "$k" -ge 50 ]; do
    k=$((k+1))
    sleep 0.1
  done
}
sleep "$4" &
n=$!
wait "$n"`

// quota moves this process into a control group of its own that has percent of one
// processor, until over has passed or ctx is done. The error is errLimited if it has a quota
// already: one within the other could not be lifted.
func quota(ctx context.Context, percent float64, over time.Duration) error {
	const period = 100_000 // microseconds, the kernel's default
	limit := strconv.Itoa(max(1000, int(percent/100*period)))
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	name := "limited-" + strconv.Itoa(os.Getpid())
	if strings.Contains(string(content), "/"+name+"\n") {
		return errLimited
	}
	var errs []error
	for _, parent := range parentGroups(string(content)) {
		own := filepath.Join(parent.dir, name)
		if parent.v2 { // it fails where the kernel allows no groups within
			_ = os.WriteFile(filepath.Join(parent.dir, "cgroup.subtree_control"), []byte("+cpu"), 0)
		}
		if err := os.Mkdir(own, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		if parent.v2 {
			err = os.WriteFile(filepath.Join(own, "cpu.max"), []byte(limit+" "+strconv.Itoa(period)), 0)
		} else {
			err = errors.Join(os.WriteFile(filepath.Join(own, "cpu.cfs_period_us"), []byte(strconv.Itoa(period)), 0),
				os.WriteFile(filepath.Join(own, "cpu.cfs_quota_us"), []byte(limit), 0))
		}
		if err == nil { // the shell first: this process is slow afterwards
			err = shell(ctx, quotaScript, strconv.Itoa(os.Getpid()), parent.dir, own, fmt.Sprintf("%.3f", over.Seconds()))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err, os.Remove(own))
	}
	return errors.Join(errs...)
}

// parentGroup is the directory of a control group with the controller cpu.
type parentGroup struct {
	dir string
	v2  bool
}

// parentGroups returns the control group of this process and the root, from the contents of
// /proc/self/cgroup. Those that do not exist are left out: in a container the path may be
// that of the host.
func parentGroups(content string) []parentGroup {
	var out []parentGroup
	add := func(v2 bool, file string, dirs ...string) {
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				out = append(out, parentGroup{dir, v2})
			}
		}
	}
	for line := range strings.Lines(content) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		path := fields[2]
		switch {
		case fields[0] == "0" && fields[1] == "":
			add(true, "cgroup.subtree_control", "/sys/fs/cgroup"+path, "/sys/fs/cgroup")
		case strings.Contains(","+fields[1]+",", ",cpu,"):
			add(false, "cpu.cfs_quota_us", "/sys/fs/cgroup/"+fields[1]+path, "/sys/fs/cgroup/cpu"+path, "/sys/fs/cgroup/cpu")
		}
	}
	return out
}
