package kvstore_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// C3, C4: whatever happens to records, a repair ends in a store that passes the
// check, and images whose own records were not touched are there and can be
// deleted.
func FuzzRepairRecords(f *testing.F) {
	for _, seed := range [][]byte{nil, {0, 0, 0, 0, 0}, {7, 1, 5, 0, 1}, {9, 2, 3, 0, 255}, {3, 3, 9, 1, 128, 3, 3, 9, 1, 128}} {
		f.Add(seed)
	}
	f.Add(bytes.Repeat([]byte{0, 4, 0, 0, 0}, 500)) // of a store that is empty in the end
	f.Fuzz(func(t *testing.T, input []byte) { repairAfter(t, input) })
}

// The same for random inputs, in every run of the tests.
func TestRepairRecordsAfterRandomDamage(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		input := make([]byte, 5*(1+random.IntN(6)))
		for i := range input {
			input[i] = byte(random.Uint32())
		}
		if !t.Run("", func(t *testing.T) { repairAfter(t, input) }) {
			t.Fatalf("input %v", input)
		}
	}
}

func repairAfter(t *testing.T, input []byte) {
	d := newDamaged(t)
	touched := make(map[string]bool)
	for len(input) >= 5 {
		d.harm(touched, input[:5])
		input = input[5:]
	}
	findings, err := kvstore.Check(t.Context(), d.db, kvstore.CheckOptions{})
	if errors.Is(err, jettison.ErrInternal) || errors.Is(err, jettison.ErrInvalidArgument) {
		return // the format of the store is lost
	}
	must(t, err)
	repaired, err := kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
	must(t, err)
	for i := range repaired {
		if !repaired[i].Repaired {
			t.Errorf("not repaired: %v", repaired[i])
		}
		repaired[i].Repaired = false
	}
	if diff := cmp.Diff(repaired, findings); diff != "" {
		t.Errorf("repaired (-) and found (+):\n%s", diff)
	}
	d.passes()
	d.survived(touched)
}

// passes fails the test unless the check finds nothing.
func (d *damaged) passes() {
	d.Helper()
	findings, err := kvstore.Check(d.Context(), d.db, kvstore.CheckOptions{})
	must(d, err)
	for _, f := range findings {
		d.Errorf("found after the repair: %v", f)
	}
}

// harm damages one entry, and notes the images whose records it was of: the
// first byte says which entry, the second in which way.
func (d *damaged) harm(touched map[string]bool, how []byte) {
	all := d.entries()
	if len(all) == 0 {
		return
	}
	old := all[int(how[0])%len(all)]
	d.touch(touched, string(old.Key))
	by := &kv.Entry{Key: bytes.Clone(old.Key), Value: bytes.Clone(old.Value)}
	at := int(how[2])<<8 | int(how[3])
	switch how[1] % 5 {
	case 0:
		alter(by.Value, at, how[4])
	case 1:
		alter(by.Value, at, how[4])
		reseal(*by)
	case 2:
		alter(by.Key, at, how[4])
	case 3:
		by.Value = by.Value[:at%(len(by.Value)+1)]
	case 4:
		by = nil
	}
	if by != nil {
		d.touch(touched, string(by.Key))
	}
	d.replace(&old, by)
}

func alter(data []byte, at int, mask byte) {
	if len(data) > 0 {
		data[at%len(data)] ^= max(mask, 1)
	}
}

// touch notes the images that need the record.
func (d *damaged) touch(touched map[string]bool, key string) {
	for name, id := range d.images {
		if key == "image/"+id.String() || slices.Contains(d.needs[name], key) {
			touched[name] = true
		}
	}
}

// survived fails the test unless the images that were not touched are there,
// and can be deleted, and nothing is left when all are.
func (d *damaged) survived(touched map[string]bool) {
	d.Helper()
	service := jettison.New(d.store, nil)
	for _, name := range []string{"app", "web", "base", "single"} {
		id := d.images[name]
		_, err := service.Resolve(d.Context(), id.String())
		if err != nil && !touched[name] {
			d.Errorf("image %s: %v", name, err)
		}
		d.idle(id)
		_, err = service.ImageDelete(d.Context(), id.String(), jettison.RemoveOptions{Force: true})
		if err != nil && (!touched[name] || !errors.Is(err, jettison.ErrNotFound)) {
			d.Errorf("deleting image %s: %v", name, err)
		}
	}
	d.passes()
	if slices.ContainsFunc(d.entries(), func(e kv.Entry) bool { return strings.HasPrefix(string(e.Key), "layer/") }) && len(touched) == 0 {
		d.Error("layers are left")
	}
}

// idle removes what uses the image.
func (d *damaged) idle(image digest.Digest) {
	edit(d, d.store, func(tx *kvstore.Tx) error {
		users, err := tx.Containers.Containers(d.Context(), image)
		must(d, err)
		for _, c := range users {
			must(d, tx.Containers.Remove(d.Context(), c.ID, kvstore.RemoveOptions{Force: true}))
		}
		leases, err := tx.Leases.Leases(d.Context(), image)
		must(d, err)
		for _, l := range leases {
			must(d, tx.Leases.Remove(d.Context(), image, l.ID))
		}
		return nil
	})
}
