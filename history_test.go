package jettison_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// One random history of creating, tagging, using, deleting and pruning images,
// and of closing and opening the store, leads to the same records, errors and
// state on every backend, and they are those of a model written from the rules.
// What a plan says is what the deletion or the prune does (P9), and events follow
// the records (E2). In the end each store fits together: its counts, its indexes,
// and its files, unless the history has damaged it.
func TestHistory(t *testing.T) {
	pool := historyPool()
	rapid.Check(t, func(rt *rapid.T) {
		tb := &historyTB{TB: t, rt: rt}
		defer tb.cleanup()
		h := &history{tb: tb, model: newModel(), pool: pool, names: historyNames(pool)}
		durable := rapid.IntRange(0, 9).Draw(rt, "with disk") == 9
		for _, b := range backends.Alike() {
			if !b.Durable || durable {
				h.runs = append(h.runs, newRun(b.Name, b.Open(tb, storetest.State{}), h.model))
			}
		}
		h.begin(rt)
		harmless := rapid.Bool().Draw(rt, "harmless")
		harm := func(fn func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				if harmless {
					t.Skip("no harm in this history")
				}
				fn(t)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"":         h.check,
			"create":   h.create,
			"tag":      h.tag,
			"tag 2":    h.tag,
			"use":      h.addContainer,
			"start":    h.changeContainer,
			"lease":    h.lease,
			"release":  h.release,
			"later":    h.later,
			"reopen":   h.reopen,
			"damage":   harm(h.damage),
			"forget":   harm(h.forget),
			"delete":   h.delete,
			"delete 2": h.delete, // twice as likely
			"delete 3": h.delete,
			"touch":    h.touch,
			"prune":    h.prune,
			"prune 2":  h.prune,
		})
		if harmless {
			h.checkWhole(rt)
		}
	})
}

// history is one history under way on several backends and the model.
type history struct {
	tb    *historyTB
	model *model
	runs  []*run
	pool  []storetest.Image
	names []string
	next  int // number of the next container or lease
}

// run is a backend in a history.
type run struct {
	name    string
	opened  *backends.Opened
	service *jettison.Service
	events  []string
	leases  map[string]*jettison.Lease // by owner
}

// newRun makes images be used when the model says.
func newRun(name string, o *backends.Opened, m *model) *run {
	r := &run{name: name, opened: o, leases: make(map[string]*jettison.Lease)}
	tampered, backend := backends.Tamper(o.Backend)
	tampered.Used = m.used
	r.service = jettison.New(backend, &jettison.Options{
		Now:    func() time.Time { return m.now },
		Events: r.note,
	})
	return r
}

// note keeps an event as the record that it is about.
func (r *run) note(_ context.Context, e jettison.Event) {
	switch e.Action {
	case jettison.ActionUntag:
		r.events = append(r.events, "Untagged: "+e.Name)
	case jettison.ActionDelete:
		r.events = append(r.events, "Deleted: "+e.Name)
	case jettison.ActionDestroy:
		r.events = append(r.events, "Removed: "+e.Name)
	case jettison.ActionPrune: // is no record
	}
}

// historyPool is the images of a history, each parent before its children. Two
// of them have IDs that begin with the same four digits (R3).
func historyPool() []storetest.Image {
	labels := func(key, value string) map[string]string { return map[string]string{key: value} }
	at := func(hours int) time.Time { return time.Unix(1e9, 0).Add(time.Duration(hours) * time.Hour) }
	base := storetest.Spec{Name: "base", Layers: []string{"os"}, Created: at(0), Labels: labels("keep", "yes")}.Image()
	app := storetest.Spec{Name: "app", Layers: []string{"os", "lib", "app"}, Parent: base.ID(), Labels: labels("a", "b"), Created: at(9)}.Image()
	first, second := alike()
	return []storetest.Image{
		base, app,
		storetest.Spec{Name: "leaf", Layers: []string{"os", "lib", "app", "leaf"}, Parent: app.ID(), Labels: labels("a", "b"), Created: at(8)}.Image(),
		storetest.Spec{Name: "twin", Layers: []string{"os", "lib", "app"}, Platform: ocispec.Platform{OS: "linux", Architecture: "arm"}, Created: at(8)}.Image(),
		storetest.Spec{Name: "tool", Layers: []string{"os", "tool"}, Parent: base.ID(), Labels: labels("a", "c"), Created: at(2)}.Image(),
		storetest.Spec{Name: "equal", Layers: []string{"equal-1", "equal-2"}, LayerSize: len("layer equal-"), Created: at(7)}.Image(),
		storetest.Spec{Name: "bare"}.Image(),
		first, second,
	}
}

// alike makes images up until two have IDs with the same four first digits.
func alike() (storetest.Image, storetest.Image) {
	seen := make(map[string]storetest.Image)
	for i := 0; ; i++ {
		img := storetest.Spec{Name: fmt.Sprintf("alike %d", i)}.Image()
		prefix := img.ID().Encoded()[:4]
		if other, ok := seen[prefix]; ok {
			return other, img
		}
		seen[prefix] = img
	}
}

// historyNames are the references of a history. One is the beginning of an
// image's ID (R2).
func historyNames(pool []storetest.Image) []string {
	some := digest.FromString("some manifest").String()
	return []string{
		"app:latest", "app:1.0", "app:2", "app:3", "app@" + some, "app@" + digest.FromString("other").String(),
		"quay.io/team/app:1.0", "quay.io/team/app@" + some, pool[1].ID().Encoded()[:6] + ":latest",
	}
}

// begin creates the images and gives out the names.
func (h *history) begin(t *rapid.T) {
	for _, img := range h.pool {
		h.model.create(img)
		h.each(t, "", func(r *run) error { return r.opened.Create(t.Context(), img) })
	}
	for range rapid.IntRange(0, len(h.names)).Draw(t, "names") {
		h.tag(t)
	}
}

// check compares the state of every backend with the model.
func (h *history) check(t *rapid.T) {
	want := h.model.dump()
	for _, r := range h.runs {
		if diff := cmp.Diff(want, r.opened.Dump(h.tb)); diff != "" {
			t.Fatalf("%s: state (-want +got):\n%s", r.name, diff)
		}
	}
}

// checkWhole looks for what does not fit together.
func (h *history) checkWhole(t *rapid.T) {
	for _, r := range h.runs {
		if found := r.opened.Problems(h.tb); len(found) > 0 {
			t.Fatalf("%s: the store does not fit together:\n%s", r.name, strings.Join(found, "\n"))
		}
	}
}

// reopen closes and opens what has a file.
func (h *history) reopen(*rapid.T) {
	for _, r := range h.runs {
		r.opened.Reopen(h.tb)
	}
}

// later lets time pass.
func (h *history) later(t *rapid.T) {
	h.model.now = h.model.now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "hours")) * time.Hour)
}

// each runs fn on every backend and compares the class of its error.
func (h *history) each(t *rapid.T, class string, fn func(*run) error) {
	for _, r := range h.runs {
		if err := fn(r); classOf(err) != class || (err == nil) != (class == "") {
			t.Fatalf("%s: got error %v, want class %q", r.name, err, class)
		}
	}
}

func (h *history) image(t *rapid.T) storetest.Image {
	return h.pool[rapid.IntRange(0, len(h.pool)-1).Draw(t, "image")] // whose draw is short to print
}

func (h *history) create(t *rapid.T) {
	img := h.image(t)
	for id := img.Parent; id != ""; id = h.model.images[id].record.Parent {
		if h.model.missingOrDamaged(id) != "" {
			img.Parent = ""
			break
		}
	}
	class := h.model.missingOrDamaged(img.ID())
	if class != "Internal" {
		h.model.create(img)
		class = ""
	}
	h.each(t, class, func(r *run) error { return r.opened.Create(t.Context(), img) })
}

func (h *history) tag(t *rapid.T) {
	few := h.pool[2:4] // so that some have several names
	img := few[rapid.IntRange(0, len(few)-1).Draw(t, "one of few")]
	if rapid.Bool().Draw(t, "any") {
		img = h.image(t)
	}
	id, name := img.ID(), rapid.SampledFrom(h.names).Draw(t, "name")
	opts := refstore.AddOptions{Force: rapid.Bool().Draw(t, "force")}
	ref, err := asName(name)
	if err != nil {
		t.Fatal(err)
	}
	class := h.model.missingOrDamaged(id)
	have, taken := h.model.refs[ref.String()]
	switch {
	case class != "":
	case taken && have.id != id && (!opts.Force || strings.Contains(name, "@")):
		class, opts.Force = "Conflict", false
	default:
		h.model.refs[ref.String()] = modelRef{ref, id}
	}
	h.each(t, class, func(r *run) error { return r.opened.Tag(t.Context(), name, id, opts) })
}
