package diskstore_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
)

// history loads and deletes images with shared layers. It goes on after
// errors, which it gives to check.
func history(ctx context.Context, s *diskstore.Store, check func(error)) {
	loads := func(name string, layers ...string) {
		_, err := load(ctx, s, name, layers...)
		check(err)
	}
	deletes := func(name string) { check(remove(ctx, s, name)) }
	loads("a", "base", "top of a")
	loads("b", "base", "top of b")
	deletes("a")
	loads("a", "base", "top of a")
	deletes("b")
	deletes("a")
	loads("b", "base")
}

// tags returns the names that the store has.
func tags(t testing.TB, s *diskstore.Store) (names []string) {
	t.Helper()
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		for tag, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			names = append(names, tag.Ref.String())
		}
		return nil
	}))
	return names
}

// A process that dies ahead of any step leaves a store that opens to a state
// between two transactions, with exactly its files.
func TestCrashAtEachStep(t *testing.T) { // D14
	root := t.TempDir()
	dir := filepath.Join(root, "live", "store")
	type moment struct{ dir, step string }
	var moments []moment
	snapshot := func(step, path string) error {
		to := filepath.Join(root, fmt.Sprint(len(moments)))
		copyDir(t, filepath.Join(root, "live"), to)
		moments = append(moments, moment{to, step + " " + path})
		return nil
	}
	copyDir(t, t.TempDir(), filepath.Join(root, "live"))
	s, err := openStepping(t.Context(), dir, nil, snapshot)
	must(t, err)
	history(t.Context(), s, func(err error) { must(t, err) })
	must(t, s.Close())

	seen := make(map[string]bool)
	for i, m := range moments {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			t.Log("ahead of", m.step)
			s := open(t, filepath.Join(m.dir, "store"))
			sound(t, s)
			if got := marks(t, s); got != nil {
				t.Errorf("got marks %v, want none", got)
			}
			seen[fmt.Sprint(tags(t, s))] = true
			for _, name := range tags(t, s) {
				must(t, remove(t.Context(), s, name))
			}
			if left := onDisk(t, s.Dir()); len(left) > 0 {
				t.Errorf("got files %v after all images are deleted, want none", left)
			}
		})
	}
	a, b := "docker.io/library/a:latest", "docker.io/library/b:latest"
	want := map[string]bool{"[]": true, "[" + a + "]": true, "[" + b + "]": true, "[" + a + " " + b + "]": true}
	if diff := cmp.Diff(seen, want); diff != "" {
		t.Errorf("states seen (-got +want):\n%s", diff)
	}
}

// Each step fails once. What fails is reported and changes nothing, the store
// stays usable, and the next Open finds everything in order.
func TestEachStepFailsOnce(t *testing.T) { // D14, E1
	for n := 0; ; n++ {
		step, failed := "", false
		count := 0
		dir := filepath.Join(t.TempDir(), "store")
		fail := func(op, path string) error {
			if count++; count != n+1 {
				return nil
			}
			step = op + " " + path
			return &fs.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
		}
		check := func(err error) {
			switch {
			case err == nil:
			case errors.Is(err, jettison.ErrNotFound) && failed: // what was not loaded cannot be deleted
			case errors.Is(err, jettison.ErrConflict) && failed: // what was not deleted has the name
			case errors.Is(err, jettison.ErrUnavailable) && errors.Is(err, syscall.ENOSPC):
				failed = true
			default:
				t.Errorf("%s: got error %v, want one of class Unavailable that says why", step, err)
			}
		}
		s, err := openStepping(t.Context(), dir, nil, fail)
		check(err)
		if err == nil {
			history(t.Context(), s, check)
			intact(t, s)
			must(t, s.Close())
		}
		if step == "" {
			if n < 50 {
				t.Errorf("got %d steps in all, want more", n)
			}
			return
		}
		s = open(t, dir)
		sound(t, s)
		if got := marks(t, s); got != nil {
			t.Errorf("%s: got marks %v, want none", step, got)
		}
		history(t.Context(), s, func(error) {})
		sound(t, s)
		must(t, s.Close())
		if t.Failed() {
			t.Fatalf("step %d failed: %s", n, step)
		}
	}
}
