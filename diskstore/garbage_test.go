package diskstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// The order of the steps is what a crash cannot harm: content is durable before
// its name, and its name before the record. A deletion costs one
// commit, and no step beyond its removals.
func TestOrderOfSteps(t *testing.T) {
	var steps []string
	s, err := openStepping(t.Context(), t.TempDir(), nil, func(step, path string) error {
		if strings.Contains(path, "ingest") {
			step += " temporary"
		}
		steps = append(steps, step)
		return nil
	})
	must(t, err)
	defer s.Close() //nolint:errcheck // nothing is asked of it
	taken := func() []string {
		defer func() { steps = nil }()
		return steps
	}
	taken()
	_, err = load(t.Context(), s, "app", "layer")
	must(t, err)
	want := []string{
		"create temporary", "write temporary", "sync temporary",
		"create temporary", "write temporary", "sync temporary",
		"commit", "rename", "rename", "syncdir", "commit",
	}
	if diff := cmp.Diff(taken(), want); diff != "" {
		t.Errorf("steps of a load (-got +want):\n%s", diff)
	}
	_, err = load(t.Context(), s, "app", "layer")
	must(t, err)
	if diff := cmp.Diff(taken(), []string{"syncdir", "commit"}); diff != "" {
		t.Errorf("steps of a load of what is there (-got +want):\n%s", diff)
	}
	must(t, remove(t.Context(), s, "app"))
	if diff := cmp.Diff(taken(), []string{"commit", "remove", "remove"}); diff != "" {
		t.Errorf("steps of a deletion (-got +want):\n%s", diff)
	}
	must(t, s.Edit(t.Context(), nothing))
	if diff := cmp.Diff(taken(), []string(nil)); diff != "" {
		t.Errorf("steps of an edit after a deletion (-got +want):\n%s", diff)
	}
}

// Content that went, came back and is given up goes again, though the mark of
// its first end was never cleared.
func TestContentComesBackAndGoesAgain(t *testing.T) {
	s := open(t, t.TempDir())
	for range 2 {
		_, err := load(t.Context(), s, "app", "layer")
		must(t, err)
		must(t, remove(t.Context(), s, "app"))
		in := ingest(t, s)
		_, err = in.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
		must(t, err)
		must(t, in.Commit(t.Context(), nothing))
		if left := onDisk(t, s.Dir()); len(left) > 0 {
			t.Errorf("got files %v, want none", left)
		}
	}
}

// An Update is about to clear the mark of content while an ingest brings it
// back. A crash then, ahead of the record, must not leave bytes that nothing
// knows of.
func TestMarkOfContentThatComesBackStays(t *testing.T) {
	var clearing, placing func() // what happens ahead of each one's syncdir
	s, err := openStepping(t.Context(), t.TempDir(), nil, func(step, _ string) error {
		if step != "syncdir" {
			return nil
		}
		if meet := clearing; meet != nil {
			clearing = nil
			meet()
		} else if meet := placing; meet != nil {
			placing = nil
			meet()
		}
		return nil
	})
	must(t, err)
	defer s.Close() //nolint:errcheck // nothing is asked of it
	layers := make([]string, diskstore.ClearLimit)
	for i := range layers {
		layers[i] = fmt.Sprintf("layer %d", i)
	}
	_, err = load(t.Context(), s, "app", layers...)
	must(t, err)
	must(t, remove(t.Context(), s, "app"))

	placed, crashed, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	clearing = func() {
		placing = func() { close(placed); <-crashed }
		go func() {
			_, err := load(context.WithoutCancel(t.Context()), s, "new", layers[0])
			ended <- err
		}()
		<-placed
	}
	must(t, s.Edit(t.Context(), nothing))
	crash := filepath.Join(t.TempDir(), "crash")
	copyDir(t, s.Dir(), crash)
	close(crashed)
	must(t, <-ended)
	sound(t, s)
	sound(t, open(t, crash))
}

// between is a database on which something happens after a View.
type between struct {
	kv.DB
	then func()
}

func (db *between) View(ctx context.Context, fn func(kv.Reader) error) error {
	err := db.DB.View(ctx, fn)
	if then := db.then; then != nil {
		db.then = nil
		then()
	}
	return err
}

// An image that is deleted while a Verify runs is no damage.
func TestVerifyDuringDeletion(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	db := &between{}
	must(t, s.Wrap(t.Context(), func(inner kv.DB) kv.DB { db.DB = inner; return db }))
	db.then = func() { must(t, remove(t.Context(), s, "app")) }
	damage, err := s.Verify(t.Context())
	must(t, err)
	if len(damage) > 0 || db.then != nil {
		t.Errorf("got damage %v, want none", damage)
	}
}

// Between the moment when a sweep sees a mark and the removal, the content is
// taken by an image. It stays.
func TestContentTakenAheadOfItsRemovalStays(t *testing.T) {
	s := open(t, t.TempDir())
	db := &between{}
	must(t, s.Wrap(t.Context(), func(inner kv.DB) kv.DB { db.DB = inner; return db }))
	in := ingest(t, s)
	_, err := in.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
	must(t, err)
	other := ingest(t, s)
	_, err = other.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
	must(t, err)
	// The first ingest gives the content up. After its sweep has listed the
	// marks, the second one takes it.
	must(t, in.Commit(t.Context(), func(tx *kvstore.Tx) error {
		db.then = func() { must(t, other.Commit(t.Context(), create(t, "app", "layer"))) }
		return nil
	}))
	if db.then != nil {
		t.Error("the sweep did not look")
	}
	sound(t, s)
	if got := len(onDisk(t, s.Dir())); got != 1 {
		t.Errorf("got %d files, want 1", got)
	}
}
