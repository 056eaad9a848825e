package jettison_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

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

// lease takes one lease on an image at most, beside those that have expired and
// go with it: the IDs of two would be in no certain order.
func (h *history) lease(t *rapid.T) {
	text := h.text(t)
	id, _, failed := h.model.find(text)
	class, _, _ := strings.Cut(failed, ":")
	if class == "" {
		class = h.model.missingOrDamaged(id)
	}
	for _, l := range h.model.leases {
		if l.image == id && h.model.lives(l) {
			t.Skip("has a lease")
		}
	}
	h.next++
	owner := fmt.Sprintf("owner %d", h.next)
	expires := rapid.SampledFrom([]time.Time{{}, h.model.now.Add(time.Hour), h.model.now.Add(4 * time.Hour)}).Draw(t, "expires")
	if class == "" {
		maps.DeleteFunc(h.model.leases, func(_ string, l modelLease) bool { return l.image == id })
		h.model.leases[owner] = modelLease{image: id, kind: "create", owner: owner, expires: expires}
	}
	h.each(t, class, func(r *run) error {
		lease, err := r.service.Lease(t.Context(), text, jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: owner, Expires: expires})
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
