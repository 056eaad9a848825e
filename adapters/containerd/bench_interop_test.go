//go:build interop && linux

package containerd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jettison-oci/jettison/internal/containerdtest"
)

func places() []place { return []place{inProcess(), inDaemon()} }

// inDaemon is a daemon, which is ended and started again to put images back.
func inDaemon() place {
	return place{"daemon", func(b *testing.B, images int) *benchStore {
		d := containerdtest.Start(b)
		s := &benchStore{images: images, services: dial(b, d)}
		s.fill(b)
		d.Stop()
		whole := filepath.Join(b.TempDir(), "whole")
		copyTree(b, d.Root(), whole)
		s.reset = func(tb testing.TB) {
			tb.Helper()
			if d.Runs() {
				d.Stop()
			}
			must(tb, os.RemoveAll(d.Root()))
			copyTree(tb, whole, d.Root())
			d.Run()
			s.services = dial(b, d)
		}
		s.ctr = func(args ...string) error {
			cmd := exec.CommandContext(b.Context(), "ctr", args...)
			cmd.Env = append(os.Environ(), d.Environment(benchNamespace)...)
			return cmd.Run()
		}
		s.reset(b)
		return s
	}}
}
