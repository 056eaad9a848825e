package jettison_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/internal/scripttest"
)

// TestScripts runs every scenario of testdata/script on every backend.
func TestScripts(t *testing.T) {
	for _, backend := range append(backends.All(), backends.Able()) {
		t.Run(backend.Name, func(t *testing.T) {
			t.Parallel()
			scripttest.Run(t, backend, "testdata/script/*.txtar")
		})
	}
}

// Every rule that a script shows is shown on every backend, but for those that
// ask for what a backend does not keep.
func TestEveryRuleRunsOnEveryBackend(t *testing.T) {
	without := map[string][]string{
		// Layouts keep no parents. What a prune frees is shown by their own tests.
		"ocilayout": {"D11", "P5", "P7"},
		// Maps know of neither indexes nor referrers.
		"maps": {"M1", "M2", "M3", "S1", "S2", "S3", "S4", "S5"},
	}
	for _, b := range backends.All() {
		all, runs := make(map[string]bool), make(map[string]bool)
		for _, path := range tree(t, ".txtar") {
			if filepath.Dir(path) != filepath.FromSlash("testdata/script") {
				continue
			}
			script := readFile(t, path)
			for _, rule := range citation.FindAllString(firstComment(script), -1) {
				all[rule] = true
				runs[rule] = runs[rule] || scripttest.MissingFor(script, b) == ""
			}
		}
		var missing []string
		for _, rule := range slices.Sorted(maps.Keys(all)) {
			if !runs[rule] {
				missing = append(missing, rule)
			}
		}
		if diff := cmp.Diff(without[b.Name], missing); diff != "" {
			t.Errorf("rules that no script shows on %s (-declared +found):\n%s", b.Name, diff)
		}
	}
}
