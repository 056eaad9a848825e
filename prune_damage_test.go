package jettison_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/storetest"
)

// A damaged layer is no reason to stop: what is below it stays behind.
func TestPruneDamagedLayer(t *testing.T) {
	m := newMemory(t)
	ids := m.several(2)
	err := m.db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte("layer/"+storetest.ChainID("os", "0").String()), []byte("damage"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, opts := range []jettison.PruneOptions{{All: true, Policy: jettison.Policy{MaxStorage: 1 << 40}}, {All: true}} {
		plan, err := m.PlanPrune(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		report, err := m.ImagesPrune(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plan.Records(), report.ImagesDeleted); diff != "" {
			t.Errorf("records (-plan +done):\n%s", diff)
		}
	}
	if got := m.references(); len(got) > 0 {
		t.Errorf("references left: %v, of %v", got, ids)
	}
}

// Damage that hides whether an image is in use keeps that image, and no other
// (E3).
func TestPruneDamagedUse(t *testing.T) {
	m := newMemory(t)
	ids := m.several(3)
	m.container(jettison.Container{ID: "c1", Image: ids[1]})
	err := m.db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(t.Context(), []byte("container/c1"), []byte{1}) })
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app:1"}, m.references()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if len(report.Kept) != 1 || report.Kept[0].Image != ids[1] || report.Kept[0].Why != jettison.WhyUnreadable ||
		!strings.Contains(report.Kept[0].Detail, "container/c1") {
		t.Errorf("got kept %v, want %s because of container/c1", report.Kept, ids[1])
	}
}

// An error of the walk over all images keeps its class and ends the prune
// before anything is done (E1).
func TestPruneFailsToSurvey(t *testing.T) {
	m := newMemory(t)
	m.several(2)
	before := m.dump()
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		err   error
		class string
	}{{broken, "Internal"}, {jettison.ErrUnavailable, "Unavailable"}} {
		s := jettison.New(unlisted{m.store, c.err}, nil)
		report, err := s.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
		wantClass(t, "prune", err, c.class)
		if !errors.Is(err, c.err) || report == nil || len(report.ImagesDeleted) > 0 || m.dump() != before {
			t.Errorf("got report %v, error %v", report, err)
		}
		_, err = s.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
		wantClass(t, "plan", err, c.class)
	}
}

// An unlisted backend fails after the first image of a walk.
type unlisted struct {
	jettison.Backend
	err error
}

func (b unlisted) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error {
		stores.Images.ImageStore = unlistedImages{stores.Images, b.err}
		return fn(stores)
	})
}

type unlistedImages struct {
	jettison.ImageStore
	err error
}

func (s unlistedImages) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		for img, err := range s.ImageStore.All(ctx) {
			if yield(img, err) {
				yield(imagestore.Image{}, s.err)
			}
			return
		}
	}
}
