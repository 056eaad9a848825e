package scripttest

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// removeOptions reads the flags of rmi and leaves the references.
func (c *call) removeOptions() jettison.RemoveOptions {
	opts := jettison.RemoveOptions{PruneChildren: true}
	flags := flag.NewFlagSet("rmi", flag.ContinueOnError)
	flags.BoolVar(&opts.Force, "f", false, "")
	flags.BoolFunc("no-prune", "", func(string) error {
		opts.PruneChildren = false
		return nil
	})
	flags.BoolVar(&opts.RemoveContainers, "remove-containers", false, "")
	flags.BoolVar(&opts.Ignore, "ignore", false, "")
	flags.Func("platform", "", func(text string) error {
		opts.Platforms = append(opts.Platforms, platform(text))
		return nil
	})
	c.ts.Check(flags.Parse(c.args))
	c.args = flags.Args()
	return opts
}

func (c *call) rmi() error {
	opts := c.removeOptions()
	var reports []jettison.RemoveReport
	reports, c.err = c.remove(c.args, opts)
	for _, r := range reports {
		for _, container := range r.Containers {
			c.printf("Removed: %s", container)
		}
		for _, record := range r.Records {
			c.printf("%s", record)
		}
	}
	return c.err
}

// remove deletes, and checks what holds whatever the state is: a plan changes
// nothing and says what happens; where nothing was done nothing has changed;
// success has records, be they none; atomic stores have done nothing beside an
// error. A single reference is deleted as ImageDelete does.
func (w *world) remove(refs []string, opts jettison.RemoveOptions) ([]jettison.RemoveReport, error) {
	before := w.opened.Dump(w.t)
	plan, err := w.service.PlanDelete(w.t.Context(), refs, opts)
	if err != nil {
		return nil, err
	}
	w.same("a plan", before)
	reports, stopped := w.service.ImagesDelete(w.t.Context(), refs, opts)
	var refused error
	done := 0
	for i, r := range reports {
		refused = join(refused, r.Err)
		done += len(r.Records) + len(r.Containers)
		if r.Err == nil && (r.Records == nil || r.Containers == nil) {
			w.t.Errorf("%q: success without a list of records or of containers", refs[i])
		}
		if planned := plan.Removals[i]; stopped == nil && did(planned.Containers(), planned.Records()) != did(r.Containers, r.Records) {
			w.t.Errorf("%q: the plan says %v, done was %v", refs[i], planned.Steps, r)
		}
	}
	if stopped != nil && w.atomic && done > 0 {
		w.t.Errorf("%q: nothing is done, but there are reports: %v", refs, reports)
	}
	if done == 0 {
		w.same("a deletion that did nothing", before)
	}
	return reports, join(refused, stopped)
}

// did is what goes, in words.
func did(containers []jettison.Container, records []jettison.DeleteResponse) string {
	return fmt.Sprint(containers, records)
}

// join is errors.Join that leaves a single error as it is, so that it can be
// formatted with %+v.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return errors.Join(a, b)
}

func (w *world) same(what string, before []string) {
	if diff := cmp.Diff(before, w.opened.Dump(w.t)); diff != "" {
		w.t.Errorf("%s changed the store (-before +after):\n%s", what, diff)
	}
}

func (c *call) plan() error {
	opts := c.removeOptions()
	c.planned, c.err = c.service.PlanDelete(c.t.Context(), c.args, opts)
	if c.err != nil {
		return c.err
	}
	for _, r := range c.planned.Removals {
		for _, container := range r.Containers() {
			c.printf("Removed: %s", container)
		}
		for _, record := range r.Records() {
			c.printf("%s", record)
		}
		for _, kept := range r.Kept {
			c.printf("Kept: %s - %s", kept.Image, KeptText(kept))
		}
		c.err = join(c.err, r.Err)
	}
	return c.err
}

func (c *call) apply() error {
	var records []jettison.DeleteResponse
	records, c.err = c.service.Apply(c.t.Context(), c.planned)
	for _, r := range records {
		c.printf("%s", r)
	}
	return c.err
}

func (c *call) race() error {
	c.need(2)
	var n int
	_, err := fmt.Sscan(c.args[0], &n)
	c.ts.Check(err)
	c.args = c.args[1:]
	opts := c.removeOptions()
	c.atOnce(slices.Repeat(c.args[:1], n), opts)
	return nil
}

func (c *call) together() error {
	opts := c.removeOptions()
	c.need(1)
	c.atOnce(c.args, opts)
	return nil
}

// atOnce deletes by each of the references at the same time, and writes how often
// what was said.
func (c *call) atOnce(refs []string, opts jettison.RemoveOptions) {
	said := make(chan string)
	var all sync.WaitGroup
	for _, ref := range refs {
		all.Go(func() {
			records, err := c.service.ImageDelete(c.t.Context(), ref, opts)
			for _, r := range records {
				said <- c.names.shorten(r.String())
			}
			if err != nil {
				said <- c.names.shorten(err.Error())
			}
		})
	}
	go func() {
		all.Wait()
		close(said)
	}()
	count := make(map[string]int)
	for text := range said {
		count[text]++
	}
	for _, text := range slices.Sorted(maps.Keys(count)) {
		c.printf("%d %s", count[text], text)
	}
}

func (c *call) events() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.sent {
		c.printf("%s", text)
	}
	c.sent = nil
	return nil
}

func (c *call) state() error {
	ctx := c.t.Context()
	return c.opened.Backend.View(ctx, func(stores jettison.Stores) error {
		for a, err := range stores.References.All(ctx) {
			if err != nil {
				return err
			}
			c.printf("reference %s %s", reference.FamiliarString(a.Ref), a.ID)
		}
		var images, layers []string
		for img, err := range stores.Images.All(ctx) {
			more, err := c.imageAndLayers(stores, img, err)
			if err != nil {
				return err
			}
			images, layers = append(images, more[0]), append(layers, more[1:]...)
		}
		// By name, since nobody can foresee the order of digests.
		slices.Sort(images)
		slices.Sort(layers)
		for _, line := range append(images, slices.Compact(layers)...) {
			c.printf("%s", line)
		}
		return nil
	})
}

// imageAndLayers writes an image, as the walk over all yields it, and its layers.
func (c *call) imageAndLayers(stores jettison.Stores, img imagestore.Image, err error) ([]string, error) {
	var unreadable *imagestore.UnreadableError
	if errors.As(err, &unreadable) {
		return []string{c.names.shorten("image " + unreadable.ID.String() + " unreadable")}, nil
	}
	if err != nil {
		return nil, err
	}
	line := []string{"image", img.ID.String()}
	if img.Parent != "" {
		line = append(line, "parent="+img.Parent.String())
	}
	for _, m := range img.Manifests {
		line = append(line, m.Digest.String())
	}
	found := []string{c.names.shorten(strings.Join(line, " "))}
	for _, chain := range img.Chains() {
		more, err := c.layersOf(stores, chain)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (c *call) layersOf(stores jettison.Stores, chain digest.Digest) (found []string, err error) {
	for chain != "" {
		layer, err := stores.Images.Layer(c.t.Context(), chain)
		if err != nil {
			return nil, err
		}
		found = append(found, c.names.shorten(fmt.Sprintf("layer %s holders=%d", chain, layer.Holders)))
		chain = layer.Parent
	}
	return found, nil
}

// class checks rule E1 on the last error.
func (c *call) class() error {
	c.need(1)
	c.silent = true
	if diff := cmp.Diff([]string{c.args[0]}, Classes(c.err)); diff != "" {
		return fmt.Errorf("classes of %v (-want +got):\n%s", c.err, diff)
	}
	return nil
}

// why shows everything that stands in the way.
func (c *call) why() error {
	c.printf("%+v", c.err)
	return nil
}
