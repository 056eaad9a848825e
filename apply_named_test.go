package jettison_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// namedImages remove images with their last references, the failing-th of which
// cannot be removed.
type namedImages struct {
	*backends.MapImages
	refs    *backends.MapReferences
	failing int
	calls   []string
}

func (s *namedImages) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	s.calls = append(s.calls, fmt.Sprintf("%d references", len(refs)))
	for i, ref := range refs {
		if i+1 == s.failing {
			return i, imagestore.Removed{}, errors.New("disk full")
		}
		if err := s.refs.Delete(ctx, ref, id); err != nil {
			return i, imagestore.Removed{}, err
		}
	}
	if s.failing > len(refs) {
		return len(refs), imagestore.Removed{}, errors.New("disk full")
	}
	removed, err := s.MapImages.Delete(ctx, id)
	return len(refs), removed, err
}

// Delete is for images without references.
func (s *namedImages) Delete(context.Context, digest.Digest) (imagestore.Removed, error) {
	return imagestore.Removed{}, errors.New("not with its references")
}

// D10, D14: where references and their image go in one change, the records are
// those of as many changes, and after an error of what was done.
func TestReferencesGoWithTheirImage(t *testing.T) {
	made := storetest.Spec{Name: "app", Layers: []string{"os"}}.Image()
	untagged := []string{"Untagged: app:1", "Untagged: app:2"}
	for failing, want := range [][]string{
		0: append(untagged[:2:2], "Deleted: "+made.ID().String(), "Deleted: "+storetest.ChainID("os").String()),
		1: nil,
		2: untagged[:1],
		3: untagged,
	} {
		t.Run(fmt.Sprint("failing ", failing), func(t *testing.T) {
			images := &namedImages{MapImages: backends.NewMapImages(), refs: backends.NewMapReferences(), failing: failing}
			if err := images.Create(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"app:1", "app:2"} {
				ref, err := reference.ParseNormalizedNamed(name)
				if err != nil {
					t.Fatal(err)
				}
				images.refs.Set(ref, made.ID())
			}
			service := jettison.New(jettison.Separate(jettison.Stores{
				Images:     jettison.Images{ImageStore: images, Named: images},
				References: jettison.References{ReferenceStore: images.refs},
			}), nil)
			records, err := service.ImageDelete(t.Context(), made.ID().String(), jettison.RemoveOptions{Force: true})
			if (err != nil) != (failing > 0) {
				t.Errorf("error: %v", err)
			}
			var got []string
			for _, r := range records {
				got = append(got, r.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"2 references"}, images.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}
