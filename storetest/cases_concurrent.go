package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// concurrentCases are the promises about calls at the same time.
func concurrentCases() []testCase {
	return []testCase{
		{
			name: "concurrent/deletions", rule: "D15", state: siblings, f: concurrentDeletions,
			explanation: "of several deletions at once each removal is reported by exactly one; the others get NotFound",
		},
		{
			name: "concurrent/leases", rule: "D15, L3", state: siblings, needs: leases, f: concurrentLeases,
			explanation: "an image on which a lease was taken is never deleted, however close the two come",
		},
	}
}

// siblings are images that share a base layer, each with a tag.
func siblings() State {
	var st State
	for i := range 6 {
		img := Spec{Name: fmt.Sprintf("sibling %d", i), Layers: []string{"os", fmt.Sprintf("own %d", i)}}.Image()
		st.Images = append(st.Images, img)
		st.References = append(st.References, Reference{Name: fmt.Sprintf("sibling:%d", i), Image: img.ID()})
	}
	return st
}

// tally counts records; it is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	records map[string]int
	errs    []error
}

func (t *tally) add(records []jettison.DeleteResponse, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range records {
		t.records[r.String()]++
	}
	if err != nil && !errors.Is(err, jettison.ErrNotFound) {
		t.errs = append(t.errs, err)
	}
}

func concurrentDeletions(ctx context.Context, p *probe) error {
	service := p.service()
	got := tally{records: make(map[string]int)}
	var wg sync.WaitGroup
	for range 4 {
		for _, ref := range p.state.References {
			wg.Go(func() { got.add(service.ImageDelete(ctx, ref.Name, jettison.RemoveOptions{})) })
		}
	}
	wg.Wait()
	want := map[string]int{"Deleted: " + ChainID("os").String(): 1}
	for i, ref := range p.state.References {
		want["Untagged: "+ref.Name] = 1
		want["Deleted: "+ref.Image.String()] = 1
		want["Deleted: "+ChainID("os", fmt.Sprintf("own %d", i)).String()] = 1
	}
	left, err := p.dump(ctx)
	return firstError(err, errors.Join(got.errs...), same("times that each removal was reported", got.records, want), sameLines("what is left", left, nil))
}

func concurrentLeases(ctx context.Context, p *probe) error {
	service := p.service()
	for _, ref := range p.state.References {
		var leased, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, leased = service.Lease(ctx, ref.Name, jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "me"})
		})
		wg.Go(func() {
			_, deleted = service.ImageDelete(ctx, ref.Image.String(), jettison.RemoveOptions{Force: true})
		})
		wg.Wait()
		if err := p.oneWon(ctx, ref.Image, leased, deleted); err != nil {
			return err
		}
	}
	return nil
}

// oneWon makes sure that of a lease and a deletion one succeeded, and that the
// image is there or gone accordingly.
func (p *probe) oneWon(ctx context.Context, id digest.Digest, leased, deleted error) error {
	err := p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return err
	})
	if leased == nil {
		return firstError(err, classed("deletion of a leased image", deleted, "Conflict"))
	}
	return firstError(deleted, classed("lease on a deleted image", leased, "NotFound"), classed("the deleted image", err, "NotFound"))
}
