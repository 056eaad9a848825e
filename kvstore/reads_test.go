package kvstore_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// A dry run reads each record once, also those that many images share, and
// those of ancestors that go with their children.
func TestPlanPruneReadsEachRecordOnce(t *testing.T) {
	tests := []struct {
		name string
		opts jettison.PruneOptions
	}{
		{"dangling", jettison.PruneOptions{}},
		{"all", jettison.PruneOptions{All: true}},
		{"all explained", jettison.PruneOptions{All: true, Explain: true}},
		{"filtered", jettison.PruneOptions{All: true, Filters: filter.Args{filter.Reference: {"app3"}}}},
		{"newest kept", jettison.PruneOptions{All: true, Policy: jettison.Policy{KeepLast: 1, Protect: []string{"app2"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := &counting{DB: memkv.New(), reads: map[string]int{}}
			service := jettison.New(sharingImages(t, db), nil)
			clear(db.reads)
			if _, err := service.PlanPrune(t.Context(), tt.opts); err != nil {
				t.Fatal(err)
			}
			images := 0
			for key, n := range db.reads {
				kind, _, _ := strings.Cut(key, "/")
				switch kind {
				case "image":
					images++
				case "child":
					continue // no record: who has children is asked at each turn
				case "use", "lease": // whether there are any is asked first
					n--
				}
				if n > 1 {
					t.Errorf("%s is read %d times", key, n)
				}
			}
			if images != 8 {
				t.Errorf("%d records of images are read, want 8", images)
			}
		})
	}
}

// sharingImages makes a store of images on a common layer with common content,
// the last two of them ancestors of one, and a container.
func sharingImages(t *testing.T, db kv.DB) *kvstore.Store {
	t.Helper()
	store := open(t, db, nil)
	edit(t, store, func(tx *kvstore.Tx) error {
		var parent, used digest.Digest
		for i := range 8 {
			id, err := addSharing(t.Context(), tx, i, parent)
			if err != nil {
				return err
			}
			if i == 1 {
				used = id
			}
			if parent = ""; i >= 5 {
				parent = id
			}
		}
		_, err := tx.Containers.Add(t.Context(), jettison.Container{ID: "c1", Image: used})
		return err
	})
	return store
}

// addSharing adds an image, and tags it unless it is an ancestor.
func addSharing(ctx context.Context, tx *kvstore.Tx, i int, parent digest.Digest) (digest.Digest, error) {
	base, own, shared := digest.FromString("base"), digest.FromString(fmt.Sprint("own ", i)), digest.FromString("shared")
	config := fmt.Appendf(nil, `{"os":"linux","config":{"Labels":{"n":"%d"}},"rootfs":{"type":"layers","diff_ids":[%q,%q]}}`, i, base, own)
	img, err := tx.CreateImage(ctx, imagestore.Spec{
		Config:  config,
		Parent:  parent,
		Layers:  []ocispec.Descriptor{{Digest: base, Size: 100}, {Digest: own, Size: 10}},
		Content: []ocispec.Descriptor{{Digest: digest.FromBytes(config), Size: int64(len(config))}, {Digest: shared, Size: 1}},
	})
	if err != nil || i == 5 || i == 6 {
		return img.ID, err
	}
	ref, err := reference.ParseNormalizedNamed(fmt.Sprintf("app%d:1.0", i))
	if err != nil {
		return "", err
	}
	return img.ID, tx.References.AddTag(ctx, ref, img.ID, refstore.AddOptions{})
}

// counting counts how often each key is read in views.
type counting struct {
	kv.DB

	reads map[string]int
}

func (c *counting) View(ctx context.Context, fn func(kv.Reader) error) error {
	return c.DB.View(ctx, func(r kv.Reader) error { return fn(countingReader{r, c.reads}) })
}

type countingReader struct {
	kv.Reader

	reads map[string]int
}

func (c countingReader) Get(ctx context.Context, key []byte) ([]byte, error) {
	c.reads[string(key)]++
	return c.Reader.Get(ctx, key)
}

func (c countingReader) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		for e, err := range c.Reader.Scan(ctx, prefix) {
			if err == nil {
				c.reads[string(e.Key)]++
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
