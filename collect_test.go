package jettison_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

var errDisk = errors.New("disk full")

// garbageImages are images whose deletions leave garbage, of which something else
// holds a part.
type garbageImages struct {
	*backends.MapImages
	refs      *backends.MapReferences
	held      []digest.Digest // chain IDs and content that stay
	failing   error           // of every collection
	deletions int             // until they fail; zero lets all succeed
	meanwhile func()          // what another program does before a collection
	lost      digest.Digest   // an image whose record cannot be read
	calls     []string
}

func (g *garbageImages) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	if id == g.lost {
		return imagestore.Image{}, errDisk
	}
	return g.MapImages.Get(ctx, id)
}

func (g *garbageImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	g.calls = append(g.calls, "delete")
	if g.deletions--; g.deletions == 0 {
		return imagestore.Removed{}, errDisk
	}
	return g.MapImages.Delete(ctx, id)
}

func (g *garbageImages) Collect(context.Context) ([]digest.Digest, error) {
	g.calls = append(g.calls, "collect")
	if g.meanwhile != nil {
		g.meanwhile()
	}
	return g.held, g.failing
}

// garbage is a service over two images, app:1 and web:1, with a layer that they
// share and one each.
func garbage(t *testing.T, more ...string) (*jettison.Service, *garbageImages, []storetest.Image) {
	t.Helper()
	images := &garbageImages{MapImages: backends.NewMapImages(), refs: backends.NewMapReferences()}
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	made := []storetest.Image{
		storetest.Spec{Name: "app", Layers: []string{"os", "app"}, Created: day}.Image(),
		storetest.Spec{Name: "web", Layers: []string{"os", "web"}, Created: day.Add(time.Hour)}.Image(),
	}
	for i, name := range append([]string{"app:1", "web:1"}, more...) {
		images.name(t, name, made[min(i, 1)])
	}
	return jettison.New(images.backend(), nil), images, made
}

func (g *garbageImages) backend() jettison.Backend {
	return jettison.Separate(jettison.Stores{
		Images:     jettison.Images{ImageStore: g, Collector: g},
		References: jettison.References{ReferenceStore: g.refs},
	})
}

// name makes the image, if it is not there, and gives it a name.
func (g *garbageImages) name(t *testing.T, name string, img storetest.Image) {
	t.Helper()
	if err := g.Create(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	g.refs.Set(ref, img.ID())
}

// layersOf are the chain IDs of an image, base first, and the sizes of its content.
func layersOf(t *testing.T, img storetest.Image) (chains []digest.Digest, own int64, sizes []int64) {
	t.Helper()
	_, layers, err := img.Record()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		chains, sizes = append(chains, l.ChainID), append(sizes, l.Content[0].Size)
	}
	return chains, int64(len(img.Config)), sizes
}

// What a collection finds still there is in no record, and its bytes are not
// counted (D12, P7): neither a layer nor content of an image.
func TestCollectedGarbage(t *testing.T) {
	s, images, made := garbage(t)
	app, appOwn, appSizes := layersOf(t, made[0])
	web, webOwn, webSizes := layersOf(t, made[1])
	_, layers, err := made[0].Record()
	if err != nil {
		t.Fatal(err)
	}
	images.held = []digest.Digest{web[0], layers[0].Content[0].Digest, made[1].ID()}
	reports, err := s.ImagesDelete(t.Context(), []string{"app:1", "web:1"}, jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]jettison.DeleteResponse{
		{{Untagged: "app:1"}, {Deleted: made[0].ID().String()}, {Deleted: app[1].String()}},
		{{Untagged: "web:1"}, {Deleted: made[1].ID().String()}, {Deleted: web[1].String()}},
	}
	got := [][]jettison.DeleteResponse{reports[0].Records, reports[1].Records}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got, want := reports[0].SpaceReclaimed, appOwn+appSizes[1]; got != want {
		t.Errorf("app: got %d bytes, want %d", got, want)
	}
	if got, want := reports[1].SpaceReclaimed, webSizes[1]; got != want || webOwn == 0 {
		t.Errorf("web: got %d bytes, want %d: its configuration stays", got, want)
	}
	if diff := cmp.Diff([]string{"delete", "delete", "collect"}, images.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Where no image goes there is no garbage.
func TestNothingIsCollectedWithoutGarbage(t *testing.T) {
	s, images, _ := garbage(t, "web:2")
	for name, want := range map[string]int{"none": 0, "web:1": 0, "app:1": 2} {
		images.calls = nil
		_, err := s.ImageDelete(t.Context(), name, jettison.RemoveOptions{})
		if name != "none" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(images.calls) != want {
			t.Errorf("%s: got calls %v, want %d", name, images.calls, want)
		}
	}
}

// When a collection fails nobody knows what has gone: what was done comes back
// with the error, without a claim about layers and content (D12, D14).
func TestFailedCollection(t *testing.T) {
	s, images, made := garbage(t)
	images.failing = jettison.ErrUnavailable
	reports, err := s.ImagesDelete(t.Context(), []string{"app:1"}, jettison.RemoveOptions{})
	wantClass(t, "collection", err, "Unavailable")
	if len(reports) != 1 || reports[0].SpaceReclaimed != 0 {
		t.Fatalf("got %+v, want one report without bytes", reports)
	}
	want := []jettison.DeleteResponse{{Untagged: "app:1"}, {Deleted: made[0].ID().String()}}
	if diff := cmp.Diff(want, reports[0].Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// After a deletion that fails, the garbage of those before it is collected all
// the same, and the error is that of the deletion.
func TestCollectionAfterAFailure(t *testing.T) {
	for _, failing := range []error{nil, jettison.ErrUnavailable} {
		s, images, made := garbage(t)
		chains, _, _ := layersOf(t, made[0])
		images.deletions, images.failing = 2, failing
		reports, err := s.ImagesDelete(t.Context(), []string{"app:1", "web:1"}, jettison.RemoveOptions{})
		if !errors.Is(err, errDisk) || len(reports) != 2 {
			t.Fatalf("got %+v and error %v, want two reports and a full disk", reports, err)
		}
		want := []jettison.DeleteResponse{{Untagged: "app:1"}, {Deleted: made[0].ID().String()}, {Deleted: chains[1].String()}}
		if failing != nil {
			want = want[:2]
		}
		if diff := cmp.Diff(want, reports[0].Records); diff != "" {
			t.Errorf("collection fails with %v: records (-want +got):\n%s", failing, diff)
		}
		if diff := cmp.Diff([]jettison.DeleteResponse{{Untagged: "web:1"}}, reports[1].Records); diff != "" {
			t.Errorf("collection fails with %v: records (-want +got):\n%s", failing, diff)
		}
	}
}

// A prune collects once for each batch that deletes, and goes on until its goal is
// really reached (P7, P10), whatever the size of the batches (P6).
func TestPruneCollects(t *testing.T) {
	var reports []*jettison.PruneReport
	for _, batch := range []int{1, 0} {
		s, images, made := garbage(t)
		web, _, _ := layersOf(t, made[1])
		_, layers, err := made[0].Record()
		if err != nil {
			t.Fatal(err)
		}
		var total, left int64
		for _, c := range images.Contents() {
			total += c.Size
		}
		for _, l := range layers {
			left += l.Content[0].Size
		}
		images.held = []digest.Digest{web[0], layers[0].Content[0].Digest, layers[1].Content[0].Digest}
		opts := jettison.PruneOptions{All: true, BatchSize: batch, Policy: jettison.Policy{MaxStorage: total - int64(len(made[0].Config)) - 1}}
		report, err := s.ImagesPrune(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"delete", "collect", "delete", "collect"}, images.calls); diff != "" {
			t.Errorf("batches of %d: calls (-want +got):\n%s", batch, diff)
		}
		if got, want := report.SpaceReclaimed, total-left; got != want {
			t.Errorf("batches of %d: got %d bytes reclaimed, want %d", batch, got, want)
		}
		reports = append(reports, report)
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("reports of batches of 1 and of all (-1 +all):\n%s", diff)
	}
}

// An image that another program names again while it is deleted has not gone: it is
// in no record and no event, its bytes are not counted, and it is kept (D12, D15).
func TestNamedAgainMeanwhile(t *testing.T) {
	_, images, made := garbage(t)
	var events []string
	s := jettison.New(images.backend(), &jettison.Options{Events: func(_ context.Context, e jettison.Event) {
		events = append(events, string(e.Action)+" "+e.Name)
	}})
	images.held, _, _ = layersOf(t, made[0])
	images.meanwhile = func() { images.name(t, "again:1", made[0]) }
	reports, err := s.ImagesDelete(t.Context(), []string{"app:1", "web:1"}, jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]jettison.DeleteResponse{{Untagged: "app:1"}}, reports[0].Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]jettison.Kept{{Image: made[0].ID(), Why: jettison.WhyNamed}}, reports[0].Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if reports[0].SpaceReclaimed != 0 || reports[1].SpaceReclaimed == 0 {
		t.Errorf("got %d bytes of an image that is there, and %d of one that is not", reports[0].SpaceReclaimed, reports[1].SpaceReclaimed)
	}
	want := []string{"untag app:1", "untag web:1", "delete " + made[1].ID().String()}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// So it is in a prune.
func TestNamedAgainInAPrune(t *testing.T) {
	s, images, made := garbage(t)
	images.meanwhile = func() { images.name(t, "again:1", made[0]) }
	report, err := s.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(report.ImagesDeleted, jettison.DeleteResponse{Deleted: made[0].ID().String()}) {
		t.Errorf("records have an image that is there: %v", report.ImagesDeleted)
	}
	if diff := cmp.Diff([]jettison.Kept{{Image: made[0].ID(), Why: jettison.WhyNamed}}, report.Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// When it cannot be known whether all images have gone, those that are known to be
// there have not (D12).
func TestNamedAgainIsKnownInPart(t *testing.T) {
	s, images, made := garbage(t)
	child := storetest.Spec{Name: "child", Parent: made[0].ID()}.Image()
	images.name(t, "child:1", child)
	if _, err := s.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true}); err != nil { // it stays for its child
		t.Fatal(err)
	}
	images.meanwhile = func() {
		again := child
		again.Parent = "" // it has gone
		images.name(t, "again:1", again)
		images.lost = made[0].ID()
	}
	reports, err := s.ImagesDelete(t.Context(), []string{"child:1"}, jettison.RemoveOptions{PruneChildren: true})
	if !errors.Is(err, errDisk) || len(reports) != 1 {
		t.Fatalf("got %+v and error %v, want a report and a full disk", reports, err)
	}
	want := []jettison.DeleteResponse{{Untagged: "child:1"}, {Deleted: made[0].ID().String()}}
	if diff := cmp.Diff(want, reports[0].Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]jettison.Kept{{Image: child.ID(), Why: jettison.WhyNamed}}, reports[0].Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}
