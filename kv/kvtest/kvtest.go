// Package kvtest is the suite that every engine under [kv.DB] must pass.
//
// An engine's own test is one call:
//
//	func TestEngine(t *testing.T) {
//		kvtest.Run(t, func(t testing.TB) kv.DB { return myengine.New() })
//	}
//
// Each case explains the rule that an engine breaks when it fails. What only
// an engine knows (that its file survives a crash, say) is for its own tests.
package kvtest

import (
	"context"
	"testing"

	"github.com/jettison-oci/jettison/kv"
)

// A Case checks one rule of the contract.
type Case struct {
	// Name is unique among the cases.
	Name string
	// Explanation says what the contract asks for, and why it matters.
	Explanation string
	// Run returns what is wrong with db, which is empty and fresh, and which
	// Run may close. It is safe to use outside a test.
	Run func(ctx context.Context, db kv.DB) error
}

// Cases returns all cases, simple ones first.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{
		entryCases(), scanCases(), txCases(), concurrencyCases(), companyCases(), contextCases(), closeCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// Run runs every case as a subtest on a DB of its own. Open returns an empty
// one; Run closes it.
func Run(t *testing.T, open func(t testing.TB) kv.DB) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			db := open(t)
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			if err := c.Run(t.Context(), db); err != nil {
				t.Errorf("%v\n%s", err, c.Explanation)
			}
		})
	}
}
