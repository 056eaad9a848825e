package jettison_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// One random history of images, indexes and what is about them leads to the same
// records and the same state on every backend that knows of them, those of a
// model written from the rules M1 to M3 and S1 to S5, with D17. What a plan says is what
// is done (P9), and an index has the bytes that the rule M2 says. In the end each
// store fits together.
func TestLinkedHistory(t *testing.T) {
	pool := linkedPool()
	rapid.Check(t, func(rt *rapid.T) {
		tb := &historyTB{TB: t, rt: rt}
		defer tb.cleanup()
		h := &linkedHistory{tb: tb, pool: pool, names: linkedNames(pool), model: &linked{
			images: make(map[digest.Digest]linkedImage), refs: make(map[string]modelRef), containers: make(map[string]jettison.Container),
		}}
		durable := rapid.IntRange(0, 9).Draw(rt, "with disk") == 9
		h.removes = rapid.Bool().Draw(rt, "with those that remove containers")
		for _, b := range backends.All() {
			if b.Referrers && b.Platforms && (!b.Durable || durable) && (!h.removes || b.RemovesContainers) {
				h.add(b.Name, b.Open(tb, storetest.State{}))
			}
		}
		h.begin(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"": h.check, "create": h.create, "create 2": h.create, "tag": h.tag, "tag 2": h.tag, "use": h.use, "unuse": h.unuse,
			"delete": h.delete, "delete 2": h.delete, "delete 3": h.delete, "prune": h.prune,
		})
		for _, r := range h.runs {
			if found := r.opened.Problems(tb); len(found) > 0 {
				rt.Fatalf("%s: the store does not fit together:\n%s", r.name, strings.Join(found, "\n"))
			}
		}
	})
}

type linkedHistory struct {
	tb    *historyTB
	model *linked
	runs  []*run
	pool  []linkedImage
	names []string
	next  int // number of the next container
	// removes says that all the backends can remove containers.
	removes bool
}

func (h *linkedHistory) add(name string, o *backends.Opened) {
	r := &run{name: name, opened: o}
	r.service = jettison.New(o.Backend, &jettison.Options{Events: r.note})
	h.runs = append(h.runs, r)
}

// linkedPool is the images of a history: indexes that share manifests and become
// each other, images of their own with the same manifests, artifacts about all
// sorts of things, and images for tags that say what they are about.
func linkedPool() []linkedImage {
	on := func(platform string) ocispec.Platform {
		parts := strings.Split(platform+"/", "/")
		return ocispec.Platform{OS: "linux", Architecture: parts[0], Variant: parts[1]}
	}
	app := storetest.Spec{Name: "app", Layers: []string{"os", "app"}, Platform: on("amd64")}
	v6 := storetest.Spec{Name: "v6", Layers: []string{"os", "v6"}, Platform: on("arm/v6")}
	v7 := storetest.Spec{Name: "v7", Layers: []string{"os", "lib", "v7"}, Platform: on("arm/v7")}
	z := storetest.Spec{Name: "z", Layers: []string{"z"}, Platform: on("s390x")}
	other := storetest.Spec{Name: "other", Layers: []string{"os", "lib"}, Platform: on("arm/v7")}
	inner := storetest.IndexSpec{Name: "inner", Images: []storetest.Spec{z, other}}
	multi := indexImage(storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{app, v6, v7}, Attested: []int{2}, Indexes: []storetest.IndexSpec{inner}})
	less := indexImage(storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{app, v7}, Attested: []int{1}, Indexes: []storetest.IndexSpec{inner}})
	small := indexImage(storetest.IndexSpec{Name: "small", Images: []storetest.Spec{v6, z}})
	image := plainImage(app)
	sig := artifactImage("signature", image.made.ManifestDigest())
	return []linkedImage{
		image, multi, less, small, sig, plainImage(z),
		artifactImage("attestation", sig.id()),
		artifactImage("of multi", multi.id()),
		artifactImage("of less", less.id()),
		artifactImage("of v7", plainImage(v7).made.ManifestDigest()),
		artifactImage("of inner", inner.Image().ID()),
		artifactImage("lost", digest.FromString("missing")),
		plainImage(storetest.Spec{Name: "note", Platform: on("amd64")}),
		plainImage(storetest.Spec{Name: "second note", Layers: []string{"os", "lib"}, Platform: on("amd64")}),
	}
}

// linkedNames are references of their own, and those that say what their image is
// about, in full.
func linkedNames(pool []linkedImage) []string {
	names := []string{
		"docker.io/library/app:1", "docker.io/library/app:2", "docker.io/library/multi:1", "quay.io/team/multi:2",
		"docker.io/library/multi@" + digest.FromString("multi").String(),
	}
	for i, subject := range []digest.Digest{
		pool[0].id(), pool[0].made.ManifestDigest(), pool[1].id(), pool[3].id(), pool[4].id(), pool[9].subject, pool[12].id(), pool[13].id(), digest.FromString("missing"),
	} {
		names = append(names, "docker.io/library/app:sha256-"+subject.Encoded()+[]string{".sig", "", ".att"}[i%3])
	}
	return names
}

func (h *linkedHistory) begin(t *rapid.T) {
	for range rapid.IntRange(3, 12).Draw(t, "images") {
		h.create(t)
	}
	for range rapid.IntRange(0, 6).Draw(t, "names") {
		h.tag(t)
	}
}

// check compares the state of every backend with the model, and the documents of
// indexes byte for byte.
func (h *linkedHistory) check(t *rapid.T) {
	want := h.model.dump()
	for _, r := range h.runs {
		err := r.opened.Backend.View(t.Context(), func(stores jettison.Stores) error {
			got, err := dumpOf(t.Context(), stores)
			if diff := cmp.Diff(want, got); diff != "" && err == nil {
				t.Fatalf("%s: state (-want +got):\n%s", r.name, diff)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		h.checkSelection(t, r)
		for id, img := range h.model.images {
			if img.isIndex() && string(r.opened.Document(h.tb, id)) != string(img.made.Index) {
				t.Fatalf("%s: document of %s:\n%s\nwant\n%s", r.name, id, r.opened.Document(h.tb, id), img.made.Index)
			}
		}
	}
}

// checkSelection makes sure that filters choose for a list what they choose for a
// prune.
func (h *linkedHistory) checkSelection(t *rapid.T, r *run) {
	wanted := map[string]func(digest.Digest) bool{
		"orphaned=true":  h.model.isOrphaned,
		"orphaned=false": func(id digest.Digest) bool { return !h.model.isOrphaned(id) },
		"dangling=true":  func(id digest.Digest) bool { return !h.model.held(id) && !h.model.isTagged(id) },
		"dangling=false": func(id digest.Digest) bool { return h.model.held(id) || h.model.isTagged(id) },
	}
	for text, wanted := range wanted {
		key, value, _ := strings.Cut(text, "=")
		filters, err := filter.New(filter.Args{key: {value}}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h.model.among(wanted), r.selected(t, filters), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: images with %s (-want +got):\n%s", r.name, text, diff)
		}
	}
}

// selected are the images that filters choose.
func (r *run) selected(t *rapid.T, filters *filter.Filter) (ids []digest.Digest) {
	err := r.opened.Backend.View(t.Context(), func(stores jettison.Stores) error {
		selection, err := r.service.Select(t.Context(), stores, filters)
		if err != nil {
			return err
		}
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			refs, err := stores.References.References(t.Context(), img.ID)
			if err != nil {
				return err
			}
			chosen, err := selection.Chooses(t.Context(), img, refs)
			if err != nil {
				return err
			}
			if chosen {
				ids = append(ids, img.ID)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: select: %v", r.name, err)
	}
	return ids
}

func (h *linkedHistory) each(t *rapid.T, class string, fn func(*run) error) {
	for _, r := range h.runs {
		if err := fn(r); classOf(err) != class || (err == nil) != (class == "") {
			t.Fatalf("%s: got error %v, want class %q", r.name, err, class)
		}
	}
}

func (h *linkedHistory) create(t *rapid.T) {
	img := h.pool[rapid.IntRange(0, len(h.pool)-1).Draw(t, "image")]
	h.model.images[img.id()] = img
	h.each(t, "", func(r *run) error { return r.opened.Create(t.Context(), img.made) })
}

// there is one of the images that are there.
func (h *linkedHistory) there(t *rapid.T) digest.Digest {
	ids := slices.Sorted(maps.Keys(h.model.images))
	if len(ids) == 0 {
		t.Skip("no image")
	}
	return ids[rapid.IntRange(0, len(ids)-1).Draw(t, "of those there")]
}

func (h *linkedHistory) tag(t *rapid.T) {
	id, name := h.there(t), rapid.SampledFrom(h.names).Draw(t, "name")
	ref, err := asName(name)
	if err != nil {
		t.Fatal(err)
	}
	if have, taken := h.model.refs[name]; taken && have.id != id && strings.Contains(name, "@") {
		t.Skip("a digest names one thing for ever")
	}
	h.model.refs[name] = modelRef{ref, id}
	h.each(t, "", func(r *run) error { return r.opened.Tag(t.Context(), name, id, refstore.AddOptions{Force: true}) })
}

func (h *linkedHistory) use(t *rapid.T) {
	h.next++
	c := jettison.Container{ID: fmt.Sprintf("c%013d", h.next), Image: h.there(t), Running: rapid.Bool().Draw(t, "running")}
	if rapid.IntRange(0, 2).Draw(t, "mounts") == 0 {
		c.Mounts = []digest.Digest{h.there(t)}
	}
	h.model.containers[c.ID] = c
	h.each(t, "", func(r *run) error { return r.opened.AddContainer(t.Context(), c) })
}

func (h *linkedHistory) unuse(t *rapid.T) {
	if len(h.model.containers) == 0 {
		t.Skip("no container")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(h.model.containers))).Draw(t, "container")
	delete(h.model.containers, id)
	h.each(t, "", func(r *run) error { return r.opened.RemoveContainer(t.Context(), id) })
}

// text is a full reference or a full ID.
func (h *linkedHistory) text(t *rapid.T) string {
	if len(h.model.refs) > 0 && rapid.IntRange(0, 3).Draw(t, "by name") > 0 {
		return rapid.SampledFrom(slices.Sorted(maps.Keys(h.model.refs))).Draw(t, "reference")
	}
	return h.there(t).String()
}

func (h *linkedHistory) delete(t *rapid.T) {
	texts := []string{h.text(t)}
	for rapid.IntRange(0, 2).Draw(t, "more") == 2 {
		texts = append(texts, h.text(t))
	}
	opts := jettison.RemoveOptions{
		Force: rapid.Bool().Draw(t, "force"), RemoveContainers: h.removes && rapid.Bool().Draw(t, "remove containers"),
		Ignore: rapid.IntRange(0, 3).Draw(t, "ignore") == 0,
	}
	if rapid.IntRange(0, 2).Draw(t, "by platform") == 0 {
		for range rapid.IntRange(1, 2).Draw(t, "platforms") {
			opts.Platforms = append(opts.Platforms, rapid.SampledFrom([]ocispec.Platform{
				{OS: "linux", Architecture: "amd64"},
				{OS: "linux", Architecture: "arm"},
				{OS: "linux", Architecture: "arm", Variant: "v6"},
				{OS: "linux", Architecture: "s390x"},
				{OS: "linux", Architecture: "arm64"},
			}).Draw(t, "platform"))
		}
	}
	apply := rapid.Bool().Draw(t, "apply")
	want := h.model.delete(texts, opts)
	var all linkedReport
	var events []string
	for _, r := range want {
		all.Records = append(all.Records, r.Records...)
		for _, id := range r.Removed {
			events = append(events, "Removed: "+id)
		}
		events = append(events, r.Records...)
	}
	for _, r := range h.runs {
		r.events = nil
		plan, err := r.service.PlanDelete(t.Context(), texts, opts)
		if err != nil {
			t.Fatalf("%s: plan: %v", r.name, err)
		}
		var got []linkedReport
		for _, removal := range plan.Removals {
			got = append(got, linkedReport{ids(removal.Containers()), recordLines(removal.Records()), whyLines(removal.Kept), classOf(removal.Err)})
		}
		compareLinked(t, r.name+": plan", got, want)
		if apply {
			records, err := r.service.Apply(t.Context(), plan)
			if err != nil && len(records) > 0 {
				t.Fatalf("%s: apply: %v", r.name, err)
			}
			compareLinked(t, r.name+": applied plan", []linkedReport{{Records: recordLines(records)}}, []linkedReport{{Records: all.Records}})
		} else {
			reports, err := r.service.ImagesDelete(t.Context(), texts, opts)
			if err != nil {
				t.Fatalf("%s: deletion: %v", r.name, err)
			}
			got = nil
			for _, report := range reports {
				got = append(got, linkedReport{ids(report.Containers), recordLines(report.Records), whyLines(report.Kept), classOf(report.Err)})
			}
			compareLinked(t, r.name+": deletion", got, want)
		}
		h.compareEvents(t, r, events)
	}
}

func (h *linkedHistory) prune(t *rapid.T) {
	opts := jettison.PruneOptions{All: rapid.Bool().Draw(t, "all"), Explain: rapid.Bool().Draw(t, "explain"), Filters: filter.Args{}}
	if value := rapid.SampledFrom([]string{"", "", "true", "false"}).Draw(t, "orphaned"); value != "" {
		opts.Filters[filter.Orphaned] = []string{value}
	}
	apply := rapid.Bool().Draw(t, "apply")
	want := h.model.prune(opts)
	for _, r := range h.runs {
		r.events = nil
		plan, err := r.service.PlanPrune(t.Context(), opts)
		if err != nil {
			t.Fatalf("%s: plan of a prune: %v", r.name, err)
		}
		compareLinked(t, r.name+": plan of a prune", []linkedReport{{Records: recordLines(plan.Records()), Kept: whyLines(plan.Kept())}}, []linkedReport{want})
		if apply {
			records, err := r.service.Apply(t.Context(), plan)
			if err != nil {
				t.Fatalf("%s: apply: %v", r.name, err)
			}
			compareLinked(t, r.name+": applied prune", []linkedReport{{Records: recordLines(records)}}, []linkedReport{{Records: want.Records}})
		} else {
			report, err := r.service.ImagesPrune(t.Context(), opts)
			if err != nil {
				t.Fatalf("%s: prune: %v", r.name, err)
			}
			compareLinked(t, r.name+": prune", []linkedReport{{Records: recordLines(report.ImagesDeleted), Kept: whyLines(report.Kept)}}, []linkedReport{want})
		}
		h.compareEvents(t, r, want.Records)
	}
}

func compareLinked(t *rapid.T, what string, got, want []linkedReport) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// whyLines are the images kept, with the kind of reason.
func whyLines(kept []jettison.Kept) []string {
	var r linkedReport
	for _, k := range kept {
		r.keep(k.Image, k.Why)
	}
	return r.Kept
}

// compareEvents makes sure that events are the records without the layers (E2).
func (h *linkedHistory) compareEvents(t *rapid.T, r *run, records []string) {
	layers := make(map[string]bool)
	for _, img := range h.pool {
		for _, names := range img.chains() {
			for i := range names {
				layers["Deleted: "+storetest.ChainID(names[:i+1]...).String()] = true
			}
		}
	}
	events := slices.DeleteFunc(slices.Clone(records), func(record string) bool { return layers[record] })
	if diff := cmp.Diff(events, r.events, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: events (-want +got):\n%s", r.name, diff)
	}
}
