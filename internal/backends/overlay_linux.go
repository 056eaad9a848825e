package backends

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// TryOverlay mounts an overlay in an empty directory and unmounts it again. The error
// says why the system does not let this process do so.
func TryOverlay(dir string) error {
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if err := syscall.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay cannot be mounted in %s: %w", dir, err)
	}
	return syscall.Unmount(merged, 0)
}
