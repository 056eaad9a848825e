package compare_test

import (
	"io"
	"os"
	"testing"

	"github.com/moby/sys/reexec"
	"github.com/sirupsen/logrus"
)

// TestMain lets Docker's code start this program again for work of its own.
func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	logrus.SetOutput(io.Discard) // Docker's log
	os.Exit(m.Run())
}
