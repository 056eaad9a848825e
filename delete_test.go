package jettison_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

// A use keeps an image busy.
type use func(m *memory, id digest.Digest)

func running(m *memory, id digest.Digest) {
	m.container(jettison.Container{ID: "running", Image: id, Running: true})
}

func stopped(m *memory, id digest.Digest) {
	m.container(jettison.Container{ID: "stopped", Image: id})
}

func mounted(m *memory, id digest.Digest) {
	m.container(jettison.Container{ID: "mounting", Mounts: []digest.Digest{id}})
}

func leased(m *memory, id digest.Digest) { m.lease(id.String()) }

func parent(m *memory, id digest.Digest) { m.image(storetest.Spec{Name: "child", Parent: id}) }

var (
	byName = func(digest.Digest) string { return "app:1" }
	byID   = func(id digest.Digest) string { return id.String() }

	single  = []string{"app:1"}
	several = []string{"app:1", "app:2", "other:1"}
)

const (
	untagged = "untagged" // the reference named goes, nothing else
	deleted  = "deleted"  // all references and the image go
)

// The D rules as one table: what the references and uses of an image are, what
// is typed, and what comes of it without force and with it. A text that is
// neither untagged nor deleted is part of the refusal.
func TestImageDelete(t *testing.T) {
	for _, c := range []struct {
		rule     string
		refs     []string
		uses     []use
		typed    func(digest.Digest) string
		unforced string
		forced   string
	}{
		{"D2", single, nil, byName, deleted, deleted},
		{"D1, D5", single, []use{stopped}, byName, "container stopped is using", deleted},
		{"D1, D5", single, []use{running}, byName, "container running is using", untagged},
		{"D1, D5, D13", single, []use{mounted}, byName, "container mounting is using", deleted},
		{"D1, D5, L2", single, []use{leased}, byName, "pull puller is using", untagged},
		{"D5", single, []use{parent}, byName, untagged, untagged},
		{"D1, D5", single, []use{parent, stopped}, byName, "container stopped is using", untagged},
		{"D4", several, nil, byName, untagged, untagged},
		{"D4", several, []use{running, stopped, mounted, leased, parent}, byName, untagged, untagged},

		{"D6", single, nil, byID, deleted, deleted},
		{"D6", single, []use{stopped}, byID, "(must be forced) - image is being used by stopped container stopped", deleted},
		{"D6, D13", single, []use{mounted}, byID, "(must be forced) - image is being used by stopped container mounting", deleted},
		{"D6", single, []use{running}, byID, "(cannot be forced) - image is being used by running", "(cannot be forced) - image is being used by running"},
		{"D6", single, []use{leased}, byID, "(cannot be forced) - image is being used by pull puller", "(cannot be forced) - image is being used by pull puller"},
		{"D6", single, []use{parent}, byID, "(cannot be forced) - image has dependent", "(cannot be forced) - image has dependent"},
		{"D6", nil, nil, byID, deleted, deleted},
		{"D6", nil, []use{stopped}, byID, "(must be forced) - image is being used by stopped", deleted},

		{"D7, D8", several, nil, byID, "(must be forced) - image is referenced in multiple", deleted},
		{"D7, D8", several, []use{stopped}, byID, "(must be forced) - image is referenced in multiple", deleted},
		{"D7, D8", several, []use{running}, byID, "(cannot be forced) - image is being used by running", "(cannot be forced) - image is being used by running"},
		{"D7, D8", several, []use{leased, stopped}, byID, "(cannot be forced) - image is being used by pull", "(cannot be forced) - image is being used by pull"},
		{"D7, D9", several, []use{stopped, leased, running, parent}, byID, "(cannot be forced) - image has dependent", "(cannot be forced) - image has dependent"},
	} {
		for _, force := range []bool{false, true} {
			want := c.unforced
			if force {
				want = c.forced
			}
			name := fmt.Sprintf("%s/%d references/%d uses/force %t", c.rule, len(c.refs), len(c.uses), force)
			t.Run(name, func(t *testing.T) {
				m := newMemory(t)
				id := m.image(storetest.Spec{Name: "app"}, c.refs...)
				for _, use := range c.uses {
					use(m, id)
				}
				m.checkDelete(c.typed(id), id, c.refs, force, want)
			})
		}
	}
}

// checkDelete deletes and compares with what the table wants.
func (m *memory) checkDelete(typed string, id digest.Digest, refs []string, force bool, want string) {
	m.t.Helper()
	before := m.dump()
	records, err := m.ImageDelete(m.t.Context(), typed, jettison.RemoveOptions{Force: force})
	wantRecords := []string{}
	switch want {
	case untagged:
		wantRecords = append(wantRecords, "Untagged: "+typed)
	case deleted:
		for _, ref := range refs {
			wantRecords = append(wantRecords, "Untagged: "+ref)
		}
		wantRecords = append(wantRecords, "Deleted: "+id.String())
	default:
		if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), want) {
			m.t.Errorf("got error %v, want a Conflict with %q", err, want)
		}
		if m.dump() != before {
			m.t.Error("the refusal changed the store")
		}
		if records != nil {
			m.t.Errorf("the refusal has records: %v", records)
		}
		return
	}
	if err != nil {
		m.t.Error(err)
	}
	if diff := cmp.Diff(wantRecords, lines(records)); diff != "" {
		m.t.Errorf("records (-want +got):\n%s", diff)
	}
}

// D9: the typed error carries everything that stands in the way.
func TestImageDeleteConflict(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, several...)
	for _, use := range []use{running, stopped, mounted, parent} {
		use(m, id)
	}
	lease := m.lease("app:1")
	_, err := m.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{})
	var refused *conflict.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got error %v, want a *conflict.Error", err)
	}
	var got []string
	for _, c := range refused.Conflicts {
		got = append(got, c.String())
	}
	child := storetest.Spec{Name: "child", Parent: id}.Image().ID()
	want := []string{
		"dependent child " + child.String(),
		"running container running",
		"lease " + lease.ID + " (pull by puller)",
		"active reference app:1",
		"active reference app:2",
		"active reference other:1",
		"stopped container mounting",
		"stopped container stopped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
	if refused.Image != id || refused.Reference != "" || !refused.Hard() || !refused.InUse() {
		t.Errorf("got image %s, reference %q, hard %t, in use %t", refused.Image, refused.Reference, refused.Hard(), refused.InUse())
	}
}

// D10: success has a list, be it empty; JSON clients of Docker's API rely on it.
func TestImageDeleteListIsNeverNil(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "app"}, "app:1")
	reports, err := m.ImagesDelete(t.Context(), []string{"app:1", "app:1"}, jettison.RemoveOptions{})
	if err != nil || len(reports) != 2 {
		t.Fatalf("got %d reports, error %v, want 2", len(reports), err)
	}
	if again := reports[1]; again.Records == nil || len(again.Records) != 0 || again.Err != nil {
		t.Errorf("named twice: got %#v, error %v, want an empty list", again.Records, again.Err)
	}
	reports, err = m.ImagesDelete(t.Context(), nil, jettison.RemoveOptions{})
	if err != nil || len(reports) != 0 {
		t.Errorf("nothing named: got %v, %v", reports, err)
	}
}

// D12: what a report says is reclaimed are the bytes that went, each once.
func TestImagesDeleteSpaceReclaimed(t *testing.T) {
	m := newMemory(t)
	app := storetest.Spec{Name: "app", Layers: []string{"os", "app"}, LayerSize: 1000}
	tool := storetest.Spec{Name: "tool", Layers: []string{"os", "tool"}, LayerSize: 1000}
	m.image(app, "app:1")
	m.image(tool, "tool:1")
	size := func(s storetest.Spec) int64 { return int64(len(s.Image().Config)) }

	reports, err := m.ImagesDelete(t.Context(), []string{"app:1", "nothing", "tool:1"}, jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, r := range reports {
		got = append(got, r.SpaceReclaimed)
	}
	if diff := cmp.Diff([]int64{size(app) + 1000, 0, size(tool) + 2000}, got); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}

// D14: a context that ends before the commit leaves everything as it was.
func TestImageDeleteCancelled(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "app"}, "app:1")
	before := m.dump()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	records, err := m.ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	if records != nil || !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("got %v, %v, want Unavailable because of the context", records, err)
	}
	if m.dump() != before {
		t.Error("the store has changed")
	}
}

// D15, L3: a container creation takes a lease on an image that a deletion is
// after. Whoever comes first, the image is there as long as the lease.
func TestLeaseAgainstDelete(t *testing.T) {
	for round := range 100 {
		m := newMemory(t)
		id := m.image(storetest.Spec{Name: fmt.Sprint(round)}, "app:1")
		var both sync.WaitGroup
		var leaseErr, deleteErr error
		contenders := []func(){
			func() {
				_, leaseErr = m.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "web"})
			},
			func() {
				_, deleteErr = m.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
			},
		}
		// Whichever starts second tends to come first, so they take turns.
		both.Go(contenders[round%2])
		both.Go(contenders[1-round%2])
		both.Wait()
		err := m.store.Read(t.Context(), func(tx *kvstore.Tx) error {
			_, err := tx.Images.Get(t.Context(), id)
			return err
		})
		switch {
		case leaseErr == nil && err == nil && errors.Is(deleteErr, jettison.ErrConflict):
		case errors.Is(leaseErr, jettison.ErrNotFound) && errors.Is(err, jettison.ErrNotFound) && deleteErr == nil:
		default:
			t.Fatalf("lease: %v; deletion: %v; image: %v", leaseErr, deleteErr, err)
		}
	}
}
