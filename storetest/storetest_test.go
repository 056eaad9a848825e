package storetest_test

import (
	"testing"

	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// kinds are the backends of this module, and the one with all abilities.
func kinds() []backends.Backend { return append(backends.All(), backends.Able()) }

// Every backend of this module passes the suite.
func TestRun(t *testing.T) {
	for _, b := range kinds() {
		t.Run(b.Name, func(t *testing.T) { storetest.Run(t, b.Config()) })
	}
}

// Every case runs on some backend: none is skipped everywhere.
func TestEveryCaseRuns(t *testing.T) {
	runs := make(map[string]bool)
	for _, b := range kinds() {
		for _, name := range storetest.Runs(b.Config()) {
			runs[name] = true
		}
	}
	for _, name := range storetest.CaseNames() {
		if !runs[name] {
			t.Errorf("no backend runs the case %q", name)
		}
	}
}

func Benchmark(b *testing.B) {
	for _, backend := range backends.All() {
		b.Run(backend.Name, func(b *testing.B) { storetest.Bench(b, backend.Config()) })
	}
}
