//go:build interop

package interop_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// update writes what both did into the scripts, to be read before it is kept.
var update = flag.Bool("update", false, "write the outcomes into testdata/compare")

// driver is the storage driver of the stores in which both work.
var driver = flag.String("driver", "vfs", "run all tests on stores of this storage `driver`")

// The programs that are compared.
var podmanPath, jettisonPath string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "interop")
	if err == nil {
		err = findPrograms(dir)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir) // what is left is in the way of nothing
	os.Exit(code)
}

// findPrograms builds the command in dir, and looks for podman, which must be
// there. What would lead either to a store of the user's is taken out of the
// environment.
func findPrograms(dir string) (err error) {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "CONTAINER") || strings.HasPrefix(name, "STORAGE_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	if podmanPath, err = exec.LookPath("podman"); err != nil {
		return err
	}
	jettisonPath = filepath.Join(dir, "jettison")
	if err := os.Chmod(dir, 0o755); err != nil { // others run it, too
		return err
	}
	build := exec.Command("go", "build", "-o", jettisonPath, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return nil
}
