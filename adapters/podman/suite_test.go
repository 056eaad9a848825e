package podman_test

import (
	"testing"

	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// The store keeps what the contracts promise, but for what it does not know: see
// the package documentation.
func TestStore(t *testing.T) {
	cfg := kind().Config()
	cfg.Parents = false // those of its states are too far below for Podman
	storetest.Run(t, cfg)
}

// TestScripts runs the scenarios of all backends, and those of this one.
func TestScripts(t *testing.T) {
	scripttest.Run(t, kind(), "../../testdata/script/*.txtar", "testdata/script/*.txtar")
}
