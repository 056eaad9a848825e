package ocilayout_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/storetest"
)

// FuzzIndex prunes layouts with any index.json over a fixed set of blobs. It
// never panics; every error is of exactly one class (rule E1); carrying out the
// plan of a prune does what the plan says (rule P9) and frees as much as it says
// (rule P7); and no blob is lost that index.json still leads to, as a reader finds
// that does not look at sizes and knows no more than the JSON (rule D12).
//
// In the text, a dollar sign and a digit stand for the descriptor of a blob,
// without the braces, so that random changes meet blobs that are there.
func FuzzIndex(f *testing.F) {
	for _, text := range []string{
		`{"schemaVersion":2,"manifests":[{$0,"annotations":{"org.opencontainers.image.ref.name":"app:1.0"}},{$1},{$4}]}`,
		`{"schemaVersion":2,"manifests":[{$0},{$5},{$6,"annotations":{"io.containerd.image.name":"x/y:1"}}]}`,
		`{"schemaVersion":2,"manifests":[{$0,"annotations":{"org.opencontainers.image.ref.name":"a"}},{$1,"annotations":{"org.opencontainers.image.ref.name":"a"}}]}`,
		`{"schemaVersion":2,"manifests":[{$0,"annotations":{"org.opencontainers.image.ref.name":"Not A Name"}},null,{"digest":"x"}]}`,
		`{"schemaVersion":2,"manifests":[{$2},{$3},{$7}],"annotations":{"k":"v"}}`,
		`{"schemaVersion":2,"manifests":[{$8},{$0,"annotations":{"org.opencontainers.image.ref.name":"b"}},{$2}]}`,
		`{"schemaVersion":2,"Manifests":[{$0}],"manifests":null}`,
	} {
		for flags := range uint8(16) {
			f.Add(text, flags)
		}
	}
	f.Fuzz(func(t *testing.T, text string, flags uint8) {
		dir := fuzzLayout(t, text)
		had, l := files(t, dir), open(t, dir)
		fuzzPrune(t, l, flags)
		if flags&8 != 0 {
			fuzzDelete(t, l)
		}
		_, err := l.Repair(t.Context(), ocilayout.RepairOptions{Grace: -1})
		oneClass(t, err)
		findings, err := l.Check(t.Context(), ocilayout.CheckOptions{Content: true})
		oneClass(t, err)
		for _, f := range findings {
			_ = f.String()
		}
		needed := leadsTo(t, dir)
		for _, blob := range had {
			if _, err := os.Stat(filepath.Join(dir, blob)); err != nil && needed[filepath.Base(blob)] {
				t.Errorf("%s is lost, and needed by %s", blob, read(t, dir, "index.json"))
			}
		}
	})
}

// fuzzPrune carries out the plan of a prune, and compares.
func fuzzPrune(t *testing.T, l *ocilayout.Layout, flags uint8) {
	service, opts := jettison.New(l, nil), jettison.PruneOptions{All: flags&1 != 0, Explain: flags&4 != 0}
	if flags&2 != 0 {
		opts.Filters = map[string][]string{"orphaned": {"true"}}
	}
	plan, err := service.PlanPrune(t.Context(), opts)
	oneClass(t, err)
	if err != nil {
		return
	}
	before := blobBytes(t, l.Dir())
	records, err := service.Apply(t.Context(), plan)
	oneClass(t, err)
	if err != nil {
		t.Errorf("a plan of this moment is refused: %v", err)
	}
	if diff := cmp.Diff(plan.Records(), records); diff != "" {
		t.Errorf("records (-planned +done):\n%s", diff)
	}
	if freed := before - blobBytes(t, l.Dir()); freed != plan.SpaceReclaimed() {
		t.Errorf("%d bytes are free, and %d were planned", freed, plan.SpaceReclaimed())
	}
}

// fuzzDelete deletes every image that is left, by force.
func fuzzDelete(t *testing.T, l *ocilayout.Layout) {
	var all []string
	err := l.View(t.Context(), func(stores jettison.Stores) error {
		ids, err := stores.Images.Search(t.Context(), "")
		for _, id := range ids {
			all = append(all, id.String())
		}
		return err
	})
	oneClass(t, err)
	for _, id := range all {
		_, err := jettison.New(l, nil).ImageDelete(t.Context(), id, jettison.RemoveOptions{Force: true})
		oneClass(t, err)
	}
}

// oneClass makes sure that an error is of exactly one class (rule E1).
func oneClass(t *testing.T, err error) {
	t.Helper()
	classes := 0
	for _, class := range []error{
		jettison.ErrInvalidArgument, jettison.ErrNotFound, jettison.ErrConflict, jettison.ErrUnavailable, jettison.ErrInternal,
	} {
		if errors.Is(err, class) {
			classes++
		}
	}
	if err != nil && classes != 1 {
		t.Errorf("%v is of %d classes", err, classes)
	}
}

// leadsTo are the names of all blobs to which index.json leads.
func leadsTo(t *testing.T, dir string) map[string]bool {
	found := make(map[string]bool)
	var walk func(path string)
	walk = func(path string) {
		var doc struct {
			Manifests, Layers []ocispec.Descriptor
			Config            ocispec.Descriptor
		}
		data, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(data, &doc) != nil {
			return
		}
		for _, desc := range append(append(doc.Manifests, doc.Layers...), doc.Config) {
			if desc.Digest.Validate() == nil && !found[desc.Digest.Encoded()] {
				found[desc.Digest.Encoded()] = true
				walk(blobPath(dir, desc.Digest))
			}
		}
	}
	walk(filepath.Join(dir, "index.json"))
	return found
}

// fuzzLayout makes the layout of a text.
func fuzzLayout(t testing.TB, text string) string {
	var blobs []ocispec.Descriptor
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		one, two := putImage(t, dir, faultImage(1)), putImage(t, dir, faultImage(2))
		lost := putImage(t, dir, faultImage(3))
		inner := putIndex(t, dir, two, lost)
		remove(t, blobPath(dir, lost.Digest))
		empty := put(t, dir, ocispec.MediaTypeEmptyJSON, []byte("{}"))
		signature := put(t, dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &one})
		again := put(t, dir, "application/vnd.docker.distribution.manifest.v2+json", backends.LayoutManifest(storetest.Spec{Name: "image 1", Layers: []string{"base"}}.Image()))
		long := one
		long.Digest = digest.SHA512.FromString(read(t, blobPath(dir, one.Digest)))
		write(t, blobPath(dir, long.Digest), []byte(read(t, blobPath(dir, one.Digest))))
		thing := put(t, dir, "application/vnd.example.thing", map[string]int{"a": 1})
		blobs = []ocispec.Descriptor{one, two, inner, putIndex(t, dir, one, inner), signature, again, long, lost, thing}
		return nil
	})
	for i, desc := range blobs {
		desc.Platform = nil
		data, err := json.Marshal(desc)
		if err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "$"+string(rune('0'+i)), strings.Trim(string(data), "{}"))
	}
	write(t, filepath.Join(dir, "index.json"), []byte(text))
	return dir
}
