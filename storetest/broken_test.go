package storetest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/storetest"
)

// A broken store keeps all promises but one.
type broken struct {
	name string
	// config opens it.
	config storetest.Config
	// fails are cases that must find it out, and words of what they promise.
	fails map[string]string
}

// breaking is a broken store of which the stores are changed.
func breaking(name string, fails map[string]string, change func(*fakes)) broken {
	return remembering(name, fails, func() func(*fakes) { return change })
}

// remembering is one whose stores are changed by what fresh returns for each
// store.
func remembering(name string, fails map[string]string, fresh func() func(*fakes)) broken {
	return broken{name: name, fails: fails, config: around(func(b jettison.Partial) jettison.Backend {
		return &faked{partial: b, change: fresh()}
	})}
}

func allBroken() []broken {
	return slices.Concat(brokenImages(), brokenLayers(), brokenReferences(), brokenUses(), brokenRemovers(), brokenBackends(),
		brokenReferrers(), brokenPlatforms(), brokenNamed(), brokenCollectors(), brokenShortNames(), brokenDigests())
}

// The suite finds every broken store out, and says which promise it broke.
func TestBrokenStores(t *testing.T) {
	for _, b := range allBroken() {
		t.Run(b.name, func(t *testing.T) {
			failures := storetest.Check(t, b.config)
			for name, promise := range b.fails {
				i := slices.IndexFunc(failures, func(f storetest.Failure) bool { return f.Case == name })
				if i < 0 {
					t.Errorf("case %q passes", name)
					continue
				}
				if text := failures[i].String(); !strings.Contains(text, promise) {
					t.Errorf("case %q fails with %q, want a text with %q", name, text, promise)
				}
			}
		})
	}
}

// The wrapper around the maps breaks nothing by itself.
func TestUnbroken(t *testing.T) {
	for _, f := range storetest.Check(t, breaking("", nil, func(*fakes) {}).config) {
		t.Errorf("%s: %s", f.Case, f)
	}
}

// There is a broken store for every case: none is there that cannot fail.
func TestEveryCaseCanFail(t *testing.T) {
	caught := make(map[string]bool)
	for _, b := range allBroken() {
		for name := range b.fails {
			caught[name] = true
		}
	}
	for _, name := range storetest.CaseNames() {
		if !caught[name] {
			t.Errorf("no broken store is there for case %q", name)
		}
		delete(caught, name)
	}
	for name := range caught {
		t.Errorf("a broken store is there for case %q, which is not", name)
	}
}
