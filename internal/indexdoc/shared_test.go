package indexdoc_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// P4: the age is that of the newest image or the index's own, and the labels are
// those of all, in whatever order the images come.
func TestShared(t *testing.T) {
	type image struct {
		os      string
		created time.Time
		labels  map[string]string
	}
	day := func(n int) time.Time { return time.Date(2024, 2, n, 0, 0, 0, 0, time.UTC) }
	one := image{"linux", day(1), map[string]string{"team": "a", "of": "one"}}
	two := image{"windows", day(2), map[string]string{"team": "a", "of": "two"}}
	bare := image{"linux", time.Time{}, nil}
	attestation := image{"unknown", day(9), nil}
	for name, test := range map[string]struct {
		annotated time.Time
		images    []image
		created   time.Time
		labels    map[string]string
	}{
		"none":           {images: nil},
		"one":            {images: []image{one}, created: day(1), labels: one.labels},
		"two":            {images: []image{one, two}, created: day(2), labels: map[string]string{"team": "a"}},
		"the other way":  {images: []image{two, one}, created: day(2), labels: map[string]string{"team": "a"}},
		"annotated":      {annotated: day(1), images: []image{two}, created: day(1), labels: two.labels},
		"an attestation": {images: []image{attestation, one}, created: day(1), labels: one.labels},
		"one of none":    {images: []image{bare, one}, created: day(1)},
		"none of one":    {images: []image{one, bare}, created: day(1)},
	} {
		t.Run(name, func(t *testing.T) {
			shared := indexdoc.NewShared(test.annotated)
			for _, img := range test.images {
				shared.Add(img.os, img.created, img.labels)
			}
			if !shared.Created.Equal(test.created) {
				t.Errorf("made %s, want %s", shared.Created, test.created)
			}
			if diff := cmp.Diff(test.labels, shared.Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
	if len(one.labels) != 2 {
		t.Errorf("the labels of an image were changed: %v", one.labels)
	}
}
