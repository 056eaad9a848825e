package kvstore_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// What a repair of much damage around one image takes grows with the damage, not
// with its square.
func TestRepairOfMuchDamage(t *testing.T) {
	for prefix, add := range map[string]func(d *damaged, tx *kvstore.Tx, i int) error{
		"container/": func(d *damaged, tx *kvstore.Tx, i int) error {
			_, err := tx.Containers.Add(d.Context(), jettison.Container{
				ID: fmt.Sprint("much", i), Name: fmt.Sprint("name", i), Image: d.images["app"],
			})
			return err
		},
		"ref/": func(d *damaged, tx *kvstore.Tx, i int) error {
			return tx.Tag(d.Context(), d.images["app"], parse(d, fmt.Sprint("much:", i)), refstore.AddOptions{})
		},
	} {
		t.Run(strings.TrimSuffix(prefix, "/"), func(t *testing.T) {
			few, many := bytesEach(t, 500, prefix, add), bytesEach(t, 4000, prefix, add)
			if many > 2*few {
				t.Errorf("got %d bytes for each of many findings and %d for each of few, want about as many", many, few)
			}
		})
	}
}

// bytesEach is how much a repair allocates for each of n findings.
func bytesEach(t *testing.T, n int, prefix string, add func(d *damaged, tx *kvstore.Tx, i int) error) uint64 {
	t.Helper()
	d := newDamaged(t)
	edit(t, d.store, func(tx *kvstore.Tx) error {
		for i := range n {
			must(t, add(d, tx, i))
		}
		return nil
	})
	all := d.entries()
	must(t, d.db.Update(t.Context(), func(tx kv.Tx) error {
		for _, e := range all {
			if strings.HasPrefix(string(e.Key), prefix) {
				must(t, tx.Delete(t.Context(), e.Key))
			}
		}
		return nil
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	findings, err := kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
	runtime.ReadMemStats(&after)
	must(t, err)
	if len(findings) < n {
		t.Fatalf("got %d findings, want %d at least", len(findings), n)
	}
	d.passes()
	return (after.TotalAlloc - before.TotalAlloc) / uint64(len(findings))
}
