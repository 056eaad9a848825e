package jettison_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// historyNow is the time throughout a history.
var historyNow = time.Unix(1e9, 0).UTC().Add(10 * time.Hour)

// One random history of creating, tagging, using, deleting and pruning images
// leads to the same records, errors and state on every backend, and they are
// those of a model written from the rules. What a plan says is what the deletion
// or the prune does (P9), and events follow the records (E2).
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
		rt.Repeat(map[string]func(*rapid.T){
			"":         h.check,
			"create":   h.create,
			"tag":      h.tag,
			"tag 2":    h.tag,
			"use":      h.addContainer,
			"start":    h.changeContainer,
			"lease":    h.lease,
			"release":  h.release,
			"damage":   h.damage,
			"forget":   h.forget,
			"delete":   h.delete,
			"delete 2": h.delete, // twice as likely
			"delete 3": h.delete,
			"touch":    h.touch,
			"prune":    h.prune,
			"prune 2":  h.prune,
		})
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
	tampered, backend := tamper(o.Backend)
	tampered.used = m.used
	r.service = jettison.New(backend, &jettison.Options{
		Now: func() time.Time { return historyNow },
		Events: func(_ context.Context, e jettison.Event) {
			switch e.Action {
			case jettison.ActionUntag:
				r.events = append(r.events, "Untagged: "+e.Name)
			case jettison.ActionDelete:
				r.events = append(r.events, "Deleted: "+e.Name)
			case jettison.ActionPrune: // is no record
			}
		},
	})
	return r
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

// each runs fn on every backend and compares the class of its error.
func (h *history) each(t *rapid.T, class string, fn func(*run) error) {
	for _, r := range h.runs {
		if err := fn(r); classOf(err) != class || (err == nil) != (class == "") {
			t.Fatalf("%s: got error %v, want class %q", r.name, err, class)
		}
	}
}

func (h *history) image(t *rapid.T) storetest.Image {
	return rapid.SampledFrom(h.pool).Draw(t, "image")
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
	img := rapid.OneOf(rapid.SampledFrom(few), rapid.SampledFrom(h.pool)).Draw(t, "image")
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

func (h *history) addContainer(t *rapid.T) {
	h.next++
	c := jettison.Container{ID: fmt.Sprintf("c%013d", h.next), Running: rapid.Bool().Draw(t, "running")}
	class := ""
	if rapid.Bool().Draw(t, "created from") {
		c.Image = h.image(t).ID()
		class = h.model.missingOrDamaged(c.Image)
	}
	if rapid.Bool().Draw(t, "mounts") && class == "" {
		c.Mounts = []digest.Digest{h.image(t).ID()}
		class = h.model.missingOrDamaged(c.Mounts[0])
	}
	if class == "" {
		h.model.containers[c.ID] = c
	}
	h.each(t, class, func(r *run) error { return r.opened.AddContainer(t.Context(), c) })
}

func (h *history) changeContainer(t *rapid.T) {
	if len(h.model.containers) == 0 {
		t.Skip("no container")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(h.model.containers))).Draw(t, "container")
	c := h.model.containers[id]
	change := rapid.SampledFrom([]string{"start", "stop", "remove"}).Draw(t, "change")
	c.Running = change == "start"
	h.model.containers[id] = c
	if change == "remove" {
		delete(h.model.containers, id)
	}
	h.each(t, "", func(r *run) error {
		switch change {
		case "start":
			return r.opened.Start(t.Context(), id)
		case "stop":
			return r.opened.Stop(t.Context(), id)
		default:
			return r.opened.RemoveContainer(t.Context(), id)
		}
	})
}

// lease takes one lease on an image at most: the IDs of two would be in no
// certain order.
func (h *history) lease(t *rapid.T) {
	text := h.text(t)
	id, _, failed := h.model.find(text)
	class, _, _ := strings.Cut(failed, ":")
	if class == "" {
		class = h.model.missingOrDamaged(id)
	}
	for _, l := range h.model.leases {
		if l.image == id {
			t.Skip("has a lease")
		}
	}
	h.next++
	owner := fmt.Sprintf("owner %d", h.next)
	if class == "" {
		h.model.leases[owner] = modelLease{image: id, kind: "create", owner: owner}
	}
	h.each(t, class, func(r *run) error {
		lease, err := r.service.Lease(t.Context(), text, jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: owner})
		r.leases[owner] = lease
		return err
	})
}

func (h *history) release(t *rapid.T) {
	if len(h.model.leases) == 0 {
		t.Skip("no lease")
	}
	owner := rapid.SampledFrom(slices.Sorted(maps.Keys(h.model.leases))).Draw(t, "lease")
	delete(h.model.leases, owner)
	h.each(t, "", func(r *run) error { return r.leases[owner].Release(t.Context()) })
	h.each(t, "", func(r *run) error { return r.leases[owner].Release(t.Context()) }) // L2
}

func (h *history) damage(t *rapid.T) {
	img := h.model.images[h.image(t).ID()]
	if img == nil || img.damaged || rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
		t.Skip("not damaged")
	}
	img.damaged = true
	for _, r := range h.runs {
		r.opened.Damage(h.tb, img.record.ID)
	}
}

func (h *history) forget(t *rapid.T) {
	img := h.model.images[h.image(t).ID()]
	if img == nil || rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
		t.Skip("not forgotten")
	}
	id := img.record.ID
	for _, l := range h.model.leases {
		if l.image == id {
			t.Skip("leased") // whether a lease outlives its image is not promised
		}
	}
	h.model.remove(id)
	for _, r := range h.runs {
		r.opened.Forget(h.tb, id)
	}
}
