package scripttest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// A world is what a script works on.
type world struct {
	t        testing.TB
	opened   *backends.Opened
	atomic   bool
	tampered *backends.Tampered
	service  *jettison.Service
	names    names
	leases   map[string]*jettison.Lease // by owner
	now      time.Time

	planned *jettison.Plan
	err     error // of the last command that does something

	mu   sync.Mutex
	sent []string // the events
}

func newWorld(t testing.TB, b backends.Backend) *world {
	w := &world{
		t:      t,
		opened: b.Open(t, storetest.State{}),
		atomic: b.Atomic,
		leases: make(map[string]*jettison.Lease),
		// So far ahead that no store finds a lease expired by a clock of its own.
		now: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	tampered, backend := backends.Tamper(w.opened.Backend)
	w.tampered = tampered
	w.service = jettison.New(backend, &jettison.Options{
		Now:    func() time.Time { return w.now },
		Events: w.event,
	})
	return w
}

// event notes an event. One that is sent before the change can be seen breaks
// rule E2.
func (w *world) event(ctx context.Context, e jettison.Event) {
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Action, e.Name, e.Image))
	if !e.Time.Equal(w.now) {
		text += " at " + e.Time.String()
	}
	if w.isThere(ctx, e) {
		text += " too early"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, text)
}

// isThere reports whether what an event says is gone is still there.
func (w *world) isThere(ctx context.Context, e jettison.Event) bool {
	return w.opened.Backend.View(ctx, func(stores jettison.Stores) error {
		switch e.Action {
		case jettison.ActionDelete:
			_, err := stores.Images.Get(ctx, e.Image)
			return err
		case jettison.ActionDestroy:
			users, err := stores.Containers.Containers(ctx, e.Image)
			if !slices.ContainsFunc(users, func(c jettison.Container) bool { return c.ID == e.Name }) {
				return jettison.ErrNotFound
			}
			return err
		case jettison.ActionUntag, jettison.ActionPrune:
		}
		ref, err := reference.ParseNormalizedNamed(e.Name)
		if err != nil {
			return err // nothing is called so: a prune
		}
		_, err = stores.References.Get(ctx, ref)
		return err
	}) == nil
}

func (c *call) image() error {
	c.need(1)
	rest, fields := c.fields()
	spec := storetest.Spec{Name: rest[0]}
	if word := fields["parent"]; word != "" {
		spec.Parent = c.imageID(word)
	}
	if text := fields["platform"]; text != "" {
		spec.Platform = platform(text)
	}
	if text := fields["layers"]; text != "" {
		spec.Layers = strings.Split(text, ",")
	}
	if text := fields["labels"]; text != "" {
		spec.Labels = labels(text)
	}
	if text := fields["created"]; text != "" {
		spec.Created = c.ago(text)
	}
	if text := fields["size"]; text != "" {
		spec.LayerSize = int(c.number(text))
	}
	if text := fields["used"]; text != "" {
		c.tampered.Used[spec.Image().ID()] = c.ago(text)
	}
	return c.create(rest[0], spec)
}

// labels reads KEY=VALUE,KEY=VALUE.
func labels(text string) map[string]string {
	read := make(map[string]string)
	for label := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(label, "=")
		read[key] = value
	}
	return read
}

func (c *call) ago(text string) time.Time { return c.now.Add(-c.duration(text)) }

func (c *call) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	c.ts.Check(err)
	return n
}

// create makes an image and names it and its layers.
func (c *call) create(word string, spec storetest.Spec) error {
	made := spec.Image()
	c.names.add(word, made.ID())
	for i := range spec.Layers {
		below := spec.Layers[:i+1]
		c.names.add("layer:"+strings.Join(below, "/"), storetest.ChainID(below...))
	}
	return c.opened.Create(c.t.Context(), made)
}

func (c *call) twins() error {
	c.need(2)
	seen := make(map[string]storetest.Spec)
	for i := 0; ; i++ {
		spec := storetest.Spec{Name: fmt.Sprint("twin ", i)}
		start := spec.Image().ID().Encoded()[:4]
		if other, ok := seen[start]; ok {
			if err := c.create(c.args[0], other); err != nil {
				return err
			}
			return c.create(c.args[1], spec)
		}
		seen[start] = spec
	}
}

func (c *call) imageID(word string) digest.Digest {
	id, err := c.names.id(word)
	c.ts.Check(err)
	return id
}

func (c *call) tag() error {
	var opts refstore.AddOptions
	if c.args[0] == "-f" {
		opts.Force, c.args = true, c.args[1:]
	}
	c.need(2)
	for _, name := range c.args[1:] {
		if err := c.opened.Tag(c.t.Context(), name, c.imageID(c.args[0]), opts); err != nil {
			return err
		}
	}
	return nil
}

// containerID makes an ID from a name, as 64 hex digits.
func containerID(name string) digest.Digest { return digest.FromString("container " + name) }

func (c *call) container() error {
	c.need(2)
	rest, fields := c.fields()
	id := containerID(rest[0])
	c.names.add(rest[0], id)
	made := jettison.Container{ID: id.Encoded(), Name: rest[0], Running: len(rest) > 2 && rest[2] == "running"}
	if rest[1] != "-" {
		made.Image = c.imageID(rest[1])
	}
	if text := fields["mounts"]; text != "" {
		for word := range strings.SplitSeq(text, ",") {
			made.Mounts = append(made.Mounts, c.imageID(word))
		}
	}
	return c.opened.AddContainer(c.t.Context(), made)
}

func (c *call) containers() error {
	var names []string
	for _, line := range c.opened.Dump(c.t) {
		if fields := strings.Fields(line); fields[0] == "container" {
			names = append(names, fields[2])
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c.printf("%s", name)
	}
	return nil
}

func (c *call) start() error {
	c.need(1)
	return c.opened.Start(c.t.Context(), containerID(c.args[0]).Encoded())
}

func (c *call) exit() error {
	c.need(1)
	return c.opened.Stop(c.t.Context(), containerID(c.args[0]).Encoded())
}

func (c *call) discard() error {
	c.need(1)
	return c.opened.RemoveContainer(c.t.Context(), containerID(c.args[0]).Encoded())
}

// lease takes its image as the service does: an ID or a reference.
func (c *call) lease() error {
	c.need(3)
	opts := jettison.LeaseOptions{Kind: conflict.LeaseKind(c.args[1]), Owner: c.args[2]}
	if len(c.args) > 3 {
		opts.Expires = c.now.Add(c.duration(c.args[3]))
	}
	var lease *jettison.Lease
	lease, c.err = c.service.Lease(c.t.Context(), c.args[0], opts)
	if c.err == nil {
		c.leases[opts.Owner] = lease
	}
	return c.err
}

func (c *call) release() error {
	c.need(1)
	lease, ok := c.leases[c.args[0]]
	if !ok {
		c.ts.Fatalf("%s has no lease", c.args[0])
	}
	c.err = lease.Release(c.t.Context())
	return c.err
}

func (c *call) damage() error {
	c.need(1)
	c.opened.Damage(c.t, c.imageID(c.args[0]))
	return nil
}

func (c *call) forget() error {
	c.need(1)
	c.opened.Forget(c.t, c.imageID(c.args[0]))
	return nil
}

func (c *call) relink() error {
	c.need(2)
	c.tampered.Parents[c.imageID(c.args[0])] = c.imageID(c.args[1])
	return nil
}

func (c *call) fail() error {
	c.need(2)
	var n int
	_, err := fmt.Sscan(c.args[1], &n)
	c.ts.Check(err)
	c.tampered.Failing[c.args[0]] = n
	return nil
}

func (c *call) complete() error {
	c.tampered.Short = c.args
	return nil
}

// digests lets the store know images by their digests (rule R10).
func (c *call) digests() error {
	c.tampered.Digests = true
	return nil
}

// use notes when an image was last used, whatever the store has noted.
func (c *call) use() error {
	c.need(2)
	c.tampered.Used[c.imageID(c.args[0])] = c.ago(c.args[1])
	return nil
}

func (c *call) clock() error {
	c.need(1)
	c.now = c.now.Add(c.duration(c.args[0]))
	return nil
}
