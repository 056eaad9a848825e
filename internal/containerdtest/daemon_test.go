//go:build interop && linux

package containerdtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jettison-oci/jettison/internal/containerdtest"
)

// What a daemon was given is there after it was killed, and the container that
// ran still runs.
func TestDaemon(t *testing.T) {
	d := containerdtest.Start(t)
	ctr := func(args ...string) string {
		t.Helper()
		out, err := d.Ctr("test", args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	archive, err := filepath.Abs("../../testdata/images/docker-archive.tar")
	if err != nil {
		t.Fatal(err)
	}
	ctr("images", "import", archive)
	sleeper := containerdtest.Sleeper(t)
	ctr("run", "-d", "--mount", "type=bind,src="+sleeper+",dst=/sleeper,options=rbind:ro",
		"docker.io/library/app:1.0", "web", "/sleeper")

	d.Kill()
	if out, err := d.Ctr("test", "images", "ls", "-q"); err == nil {
		t.Fatalf("a daemon that was killed answers %s", out)
	}
	d.Run()
	if got := ctr("images", "ls", "-q"); !strings.Contains(got, "docker.io/library/app:1.0\n") {
		t.Errorf("images after a restart: got %s, want app:1.0 among them", got)
	}
	if got := ctr("tasks", "ls"); !strings.Contains(got, "RUNNING") {
		t.Errorf("tasks after a restart: got %s, want web running", got)
	}
	const config = "sha256:f6149a474233fa7b94874a209f2324568a588234277bd18fce2d9893cf4df61f"
	if _, err := os.Stat(d.Blob(config)); err != nil {
		t.Errorf("the configuration of app:1.0: %v", err)
	}
	d.Freeze() // the end of the test has to wake it
}
