package diskstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// A target is what work is done on: a store on disk, or one in memory.
type target interface {
	jettison.Backend
	Edit(ctx context.Context, fn func(*kvstore.Tx) error) error
	// bring brings content in and then edits.
	bring(ctx context.Context, contents []string, fn func(*kvstore.Tx) error) error
}

type inMemoryStore struct{ *kvstore.Store }

func (s inMemoryStore) bring(ctx context.Context, _ []string, fn func(*kvstore.Tx) error) error {
	return s.Edit(ctx, fn)
}

type onDiskStore struct{ *diskstore.Store }

func (s onDiskStore) bring(ctx context.Context, contents []string, fn func(*kvstore.Tx) error) error {
	in, err := s.Ingest(ctx)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // never fails
	for _, content := range contents {
		if _, err := in.Write(ctx, strings.NewReader(content), describe(content)); err != nil {
			return err
		}
	}
	return in.Commit(ctx, fn)
}

// A piece is some work on a few images that belong to one worker: it changes
// nothing of the others. It is one transaction.
type piece struct {
	worker string
	image  int
	random *rand.Rand
}

// do does the n-th piece of work of a worker. It does the same to stores that
// are in the same state.
func do(ctx context.Context, on target, seed uint64, worker, n int) error {
	random := rand.New(rand.NewPCG(seed, uint64(worker)<<32|uint64(n))) //nolint:gosec // a test
	p := piece{worker: fmt.Sprint("w", worker), image: random.IntN(6), random: random}
	kinds := []func(context.Context, target) error{
		p.load, p.load, p.load, p.tag, p.tag, p.untag, p.untag, p.delete, p.prune, p.run, p.lease, p.giveUp,
	}
	err := kinds[random.IntN(len(kinds))](ctx, on)
	if errors.Is(err, jettison.ErrNotFound) || errors.Is(err, jettison.ErrConflict) {
		return nil // it is refused wherever it is tried
	}
	return err
}

func (p piece) name() string { return fmt.Sprintf("%s/app:%d", p.worker, p.image) }

// config is the configuration of the image, layers its content.
func (p piece) config() string {
	diffIDs := make([]string, 0, 3)
	for _, layer := range p.layers() {
		diffIDs = append(diffIDs, fmt.Sprintf("%q", digest.FromString("uncompressed "+layer)))
	}
	return fmt.Sprintf(`{"author":%q,"config":{"Labels":{"worker":%q}},"rootfs":{"type":"layers","diff_ids":[%s]}}`,
		p.name(), p.worker, strings.Join(diffIDs, ","))
}

func (p piece) id() digest.Digest { return digest.FromString(p.config()) }

func (p piece) layers() []string {
	layer := func(name string, n int) string { return strings.Repeat(fmt.Sprint(p.worker, name, n), 100+5000*n) }
	return []string{layer("base", p.image%2), layer("middle", p.image%3), layer("top", p.image)}
}

// load makes the image, as a child of another one if that is there, and may
// give it its name.
func (p piece) load(ctx context.Context, on target) error {
	contents := append(p.layers(), p.config())
	spec := imagestore.Spec{Config: []byte(p.config()), Content: []ocispec.Descriptor{describe(p.config())}}
	for _, layer := range p.layers() {
		spec.Layers = append(spec.Layers, describe(layer))
	}
	named := p.random.IntN(4) > 0
	parent := piece{worker: p.worker, image: p.random.IntN(p.image + 1)}
	return on.bring(ctx, contents, func(tx *kvstore.Tx) error {
		if _, err := tx.Images.Get(ctx, parent.id()); err == nil && parent.image < p.image {
			spec.Parent = parent.id()
		}
		if _, err := tx.CreateImage(ctx, spec); err != nil || !named {
			return err
		}
		return tx.Tag(ctx, p.id(), ref(p.name()), refstore.AddOptions{Force: true})
	})
}

// giveUp brings content in for nothing.
func (p piece) giveUp(ctx context.Context, on target) error {
	err := on.bring(ctx, p.layers(), func(*kvstore.Tx) error { return jettison.ErrConflict })
	return err
}

func (p piece) tag(ctx context.Context, on target) error {
	name := fmt.Sprintf("%s/app:%d", p.worker, p.random.IntN(10))
	return on.Edit(ctx, func(tx *kvstore.Tx) error {
		return tx.Tag(ctx, p.id(), ref(name), refstore.AddOptions{Force: true})
	})
}

func (p piece) untag(ctx context.Context, on target) error {
	_, err := jettison.New(on, nil).ImageDelete(ctx, p.name(), p.options())
	return err
}

func (p piece) delete(ctx context.Context, on target) error {
	_, err := jettison.New(on, nil).ImageDelete(ctx, p.id().String(), p.options())
	return err
}

func (p piece) options() jettison.RemoveOptions {
	return jettison.RemoveOptions{Force: p.random.IntN(2) == 0, PruneChildren: p.random.IntN(2) == 0}
}

func (p piece) prune(ctx context.Context, on target) error {
	_, err := jettison.New(on, nil).ImagesPrune(ctx, jettison.PruneOptions{
		All: p.random.IntN(3) == 0, Filters: map[string][]string{"label": {"worker=" + p.worker}},
	})
	return err
}

// run records a container, or removes it if it is there.
func (p piece) run(ctx context.Context, on target) error {
	id := fmt.Sprintf("%s-c%d", p.worker, p.random.IntN(2))
	running := p.random.IntN(2) == 0
	return on.Edit(ctx, func(tx *kvstore.Tx) error {
		err := tx.Containers.Remove(ctx, id, kvstore.RemoveOptions{Force: true})
		if errors.Is(err, jettison.ErrNotFound) {
			_, err = tx.Containers.Add(ctx, jettison.Container{ID: id, Image: p.id(), Running: running})
		}
		return err
	})
}

// lease takes a lease on the image, or releases it.
func (p piece) lease(ctx context.Context, on target) error {
	return on.Edit(ctx, func(tx *kvstore.Tx) error {
		err := tx.Leases.Add(ctx, p.id(), conflict.Lease{ID: "l", Kind: conflict.LeaseBuild, Owner: p.worker})
		if errors.Is(err, jettison.ErrConflict) {
			err = tx.Leases.Remove(ctx, p.id(), "l")
		}
		return err
	})
}
