package podman

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockHolder says who holds the lock, as far as the kernel tells. The file must not
// be opened for that: closing it would end the locks that this process has on it.
func lockHolder(path string) string {
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		return ""
	}
	file, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // it was only read
	inode := fmt.Sprintf(":%d", stat.Ino)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// 1: POSIX  ADVISORY  WRITE 4711 fd:01:1234567 0 EOF
		fields := strings.Fields(lines.Text())
		if len(fields) >= 6 && fields[1] == "POSIX" && strings.HasSuffix(fields[5], inode) {
			return processName(fields[4])
		}
	}
	return ""
}

func processName(pid string) string {
	name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
}
