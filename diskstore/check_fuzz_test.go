package diskstore_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
)

// C3, C4, C6, C7: whatever happens to records and files, a repair that drops
// incomplete images ends in a store that passes the check, and images that were
// not touched are there and can be deleted. Damage of the database itself is an
// error where it is noticed, and no panic.
func FuzzRepair(f *testing.F) {
	whole := newPatient(f)
	for way := range byte(8) {
		f.Add([]byte{7 * way, way, 1, 3 * way, 1})
		f.Add([]byte{5 * way, 6, 0, way, 1, 9 * way, way, 0, 40, 128})
	}
	add := []byte{0, 6, 1, 63, 1} // a file whose name is a single digit
	f.Add(bytes.Repeat(add, 3))
	f.Add(slices.Concat(add, []byte{0, 6, 0, 3, 1, 1, 6, 1, 63, 1})) // a directory in its place
	f.Add(bytes.Repeat([]byte{0, 5, 0, 0, 1}, 40))                   // no record is left
	f.Fuzz(func(t *testing.T, input []byte) {
		p := whole.copy(t)
		const most = 40 // of the ways in which one store is damaged
		for how := range slices.Chunk(input[:5*min(len(input)/5, most)], 5) {
			p.harm(how)
		}
		p.heals()
	})
}

// The same for random inputs, in every run of the tests.
func TestRepairAfterRandomDamage(t *testing.T) {
	whole := newPatient(t)
	seeds := uint64(300)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 2))
		input := make([]byte, 5*(1+random.IntN(5)))
		for i := range input {
			input[i] = byte(random.Uint32())
		}
		healed := t.Run("", func(t *testing.T) {
			p := whole.copy(t)
			for i := 0; i < len(input); i += 5 {
				p.harm(input[i : i+5])
			}
			p.heals()
		})
		if !healed {
			t.Fatalf("input %v", input)
		}
	}
}

// heals opens, checks, repairs and checks again.
func (p *patient) heals() {
	p.Helper()
	s, err := diskstore.Open(p.Context(), p.dir, nil)
	if p.refused(err) {
		return
	}
	defer func() { must(p, s.Close()) }()
	_, err = s.Check(p.Context(), diskstore.CheckOptions{Content: true})
	if p.refused(err) {
		return
	}
	opts := diskstore.RepairOptions{DropIncomplete: true}
	opts.Content = true
	report, err := s.Repair(p.Context(), opts)
	if p.refused(err) {
		return
	}
	for _, f := range report.Findings {
		if !f.Repaired {
			p.Errorf("not repaired: %v", f)
		}
	}
	left, err := s.Check(p.Context(), diskstore.CheckOptions{Content: true})
	if p.refused(err) || p.pages {
		return
	}
	for _, f := range left {
		p.Errorf("found after the repair: %v", f)
	}
	p.survived(s)
}

// refused reports whether the store cannot be used, which must have its class
// and needs damage of its database or of its format, or content without records.
func (p *patient) refused(err error) bool {
	p.Helper()
	if err == nil {
		return false
	}
	format := strings.Contains(err.Error(), "format")
	if !format && !p.pages && !p.emptied || !errors.Is(err, jettison.ErrInternal) && !errors.Is(err, jettison.ErrInvalidArgument) {
		p.Errorf("got error %v", err)
	}
	return true
}

// survived fails the test unless the images that were not touched are there
// with their content, and can be deleted, with all their files.
func (p *patient) survived(s *diskstore.Store) {
	p.Helper()
	intact(p, s)
	service := jettison.New(s, nil)
	for _, name := range []string{"app", "web", "base", "single"} {
		id := p.images[name]
		idle(p, s, id)
		_, err := service.ImageDelete(p.Context(), id.String(), jettison.RemoveOptions{Force: true})
		if err != nil && (!p.touched[name] || !errors.Is(err, jettison.ErrNotFound)) {
			p.Errorf("deleting image %s: %v", name, err)
		}
	}
	if left := onDisk(p, p.dir); len(left) > 0 {
		p.Errorf("files are left: %v", left)
	}
	findings, err := s.Check(p.Context(), diskstore.CheckOptions{Content: true})
	must(p, err)
	for _, f := range findings {
		p.Errorf("found after the deletion: %v", f)
	}
}

// idle removes what uses the image.
func idle(t testing.TB, s *diskstore.Store, image digest.Digest) {
	t.Helper()
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		users, err := tx.Containers.Containers(t.Context(), image)
		must(t, err)
		for _, c := range users {
			must(t, tx.Containers.Remove(t.Context(), c.ID, kvstore.RemoveOptions{Force: true}))
		}
		leases, err := tx.Leases.Leases(t.Context(), image)
		must(t, err)
		for _, l := range leases {
			must(t, tx.Leases.Remove(t.Context(), image, l.ID))
		}
		return nil
	}))
}
