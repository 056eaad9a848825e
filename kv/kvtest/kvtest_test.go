package kvtest_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/kvtest"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// Each engine breaks one rule; the cases that explain that rule fail, and no
// others.
func TestBrokenEngines(t *testing.T) {
	tests := []struct {
		name   string
		engine func() kv.DB
		fails  []string
	}{
		{"sound", func() kv.DB { return memkv.New() }, nil},
		{"forgets rollback", forgetsRollback, []string{"rollback", "failure beside others"}},
		{"commits when it panics", commitsOnPanic, []string{"rollback after panic", "panic beside others"}},
		{"swallows panics", swallowsPanics, []string{"rollback after panic", "panic beside others"}},
		{"wraps errors", wrapsErrors, []string{"same error"}},
		{"no class for absence", absenceIsNil, []string{"missing key", "own writes", "snapshot"}},
		{"signed bytes", signedBytes, []string{"scan order", "scan all", "scan last prefix"}},
		{"ignores the end of the prefix", ignoresPrefixEnd, []string{"scan prefix", "scan last prefix", "scan many"}},
		{"adds one to the last byte of a prefix", incrementsPrefix, []string{"scan last prefix"}},
		{"leaves out the prefix itself", skipsPrefixItself, []string{"scan prefix", "scan last prefix"}},
		{"does not stop a scan", goesOn, []string{"scan stops"}},
		{"scans once", scansOnce, []string{"scan again"}},
		{"looks early whether there is anything", looksEarly, []string{"scan later"}},
		{"drops empty values", dropsEmptyValues, []string{"empty value"}},
		{"takes empty keys", takesEmptyKeys, []string{"empty key"}},
		{"small values only", smallValues, []string{"sizes"}},
		{"keeps slices", keepsSlices, []string{"kept slices"}},
		{"one buffer for all values", oneBuffer, []string{"stable values"}},
		{"minds a missing key", mindsMissing, []string{"put and delete"}},
		{"blind to own writes", blind, []string{"own writes", "kept slices", "empty value", "scan stops", "scan later"}},
		{"reads what is not committed", dirtyReads, []string{"uncommitted"}},
		{"no snapshot", noSnapshot, []string{"snapshot", "close waits"}},
		{"loses updates", losesUpdates, []string{"one after another", "updates at once"}},
		{"one failure fails those that wait", failsTogether, []string{"failure beside others"}},
		{"minds the context before the wait only", waitsOn, []string{"context beside others"}},
		{"ignores the context", ignoresContext, []string{"ended context", "ended context inside", "context ends scan", "context beside others"}},
		{"ignores the context in scans", ignoresContextInScans, []string{"context ends scan"}},
		{"minds the context after the function", mindsContextLate, []string{"context after function"}},
		{"context error of another class", otherClass, []string{"ended context"}},
		{"context error hidden", hidesContextError, []string{"ended context"}},
		{"second close fails", closesOnce, []string{"close twice"}},
		{"open after close", neverCloses, []string{"closed", "close waits"}},
		{"close does not wait", closesAtOnce, []string{"close waits"}},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			slices.Sort(tt.fails)
			if diff := cmp.Diff(tt.fails, failing(t, tt.engine)); diff != "" {
				t.Errorf("failing cases (-want +got):\n%s", diff)
			}
		})
		for _, name := range tt.fails {
			tested[name] = true
		}
	}
	for _, c := range kvtest.Cases() {
		if !tested[c.Name] {
			t.Errorf("no engine fails case %q", c.Name)
		}
	}
}

// failing returns the names of the cases that an engine fails, sorted.
func failing(t *testing.T, engine func() kv.DB) []string {
	var (
		mu    sync.Mutex
		names []string
		wait  sync.WaitGroup
	)
	for _, c := range kvtest.Cases() {
		wait.Go(func() {
			if err := c.Run(t.Context(), engine()); err != nil {
				mu.Lock()
				defer mu.Unlock()
				names = append(names, c.Name)
				t.Logf("%s: %v", c.Name, err)
			}
		})
	}
	wait.Wait()
	slices.Sort(names)
	return names
}

func TestCasesExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range kvtest.Cases() {
		if c.Name == "" || seen[c.Name] {
			t.Errorf("name %q is empty or not unique", c.Name)
		}
		if len(c.Explanation) < 40 || c.Run == nil {
			t.Errorf("case %q explains too little or runs nothing", c.Name)
		}
		seen[c.Name] = true
	}
}
