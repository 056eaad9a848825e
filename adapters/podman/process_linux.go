package podman

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many of the units of /proc make a second, on every architecture.
const ticks = 100

// startedAfter reports whether the process has begun after that moment, as far as the
// kernel tells: then it is not the one that was noted at that moment, which has ended.
func startedAfter(pid int, moment time.Time) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name, in parentheses, may have any characters; 20th after it is the start.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return false
	}
	since, err := strconv.ParseInt(fields[19], 10, 64)
	booted, ok := bootTime()
	return err == nil && ok && booted.Add(time.Duration(since)*time.Second/ticks).After(moment.Add(2*time.Second))
}

// bootTime is when the system has begun, to the second.
func bootTime() (time.Time, bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(stat)) {
		if text, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return time.Unix(seconds, 0), err == nil
		}
	}
	return time.Time{}, false
}
