package storetest_test

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// A replacing function takes manifests out of an index.
type replacing = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error)

// A namedDeleting function removes references and their image.
type namedDeleting = func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error)

// fakeAbilities are all that stores can do beyond their contracts.
type fakeAbilities struct {
	referrers, subjects func(ctx context.Context, id digest.Digest) ([]digest.Digest, error)
	without             func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error)
	replace             replacing
	named               namedDeleting
	collect             collecting
	candidates          completing
	byDigest            knowing
}

func (f fakeAbilities) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return f.referrers(ctx, id)
}

func (f fakeAbilities) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return f.subjects(ctx, id)
}

func (f fakeAbilities) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	return f.without(ctx, id, manifests)
}

func (f fakeAbilities) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	return f.replace(ctx, id, manifests)
}

func (f fakeAbilities) DeleteNamed(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
	return f.named(ctx, id, refs)
}

func (f fakeAbilities) Collect(ctx context.Context) ([]digest.Digest, error) { return f.collect(ctx) }

func (f fakeAbilities) Candidates(ctx context.Context, short string) ([]named, error) {
	return f.candidates(ctx, short)
}

func (f fakeAbilities) ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	return f.byDigest(ctx, dgst)
}

// ableFakes are fakes of stores with all abilities.
type ableFakes struct {
	*fakes
	able fakeAbilities
	// writable says that it is an update.
	writable bool
}

// fakedWhole is that backend, with stores that are changed on their way to a
// function.
type fakedWhole struct {
	jettison.Backend
	change func(*ableFakes)
}

func (b *fakedWhole) wrap(writable bool, fn func(jettison.Stores) error) func(jettison.Stores) error {
	return func(s jettison.Stores) error {
		f := &ableFakes{newFakes(s), newFakeAbilities(s), writable}
		b.change(f)
		s = f.stores()
		s.Images = jettison.Images{ImageStore: f.images, Referrers: f.able, Platforms: f.able, Named: f.able, Collector: f.able}
		s.References = jettison.References{ReferenceStore: f.references, Short: f.able, Digests: f.able}
		return fn(s)
	}
}

func newFakeAbilities(s jettison.Stores) fakeAbilities {
	images, refs := s.Images, s.References
	return fakeAbilities{
		referrers: images.Referrers.Referrers, subjects: images.Referrers.Subjects,
		without: images.Platforms.Without, replace: images.Platforms.Replace,
		named: images.Named.DeleteNamed, collect: images.Collector.Collect,
		candidates: refs.Short.Candidates, byDigest: refs.Digests.ByDigest,
	}
}

func (b *fakedWhole) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, b.wrap(false, fn))
}

func (b *fakedWhole) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, b.wrap(true, fn))
}

// breakingWhole is a broken store with all abilities.
func breakingWhole(name string, fails map[string]string, change func(*ableFakes)) broken {
	return rememberingWhole(name, fails, func() func(*ableFakes) { return change })
}

// rememberingWhole is one whose stores are changed by what fresh returns for each
// store.
func rememberingWhole(name string, fails map[string]string, fresh func() func(*ableFakes)) broken {
	return broken{name: name, fails: fails, config: aroundWhole(func(b jettison.Backend) jettison.Backend {
		return &fakedWhole{b, fresh()}
	})}
}

// aroundWhole is the configuration of a backend that wraps one with all
// abilities.
func aroundWhole(wrap func(jettison.Backend) jettison.Backend) storetest.Config {
	cfg := backends.Able().Config()
	inner := make(map[jettison.Backend]*backends.Opened)
	cfg.Open = func(t testing.TB, st storetest.State) jettison.Backend {
		o := backends.Able().Open(t, st)
		b := wrap(o.Backend)
		inner[b] = o
		return b
	}
	cfg.Document = func(t testing.TB, b jettison.Backend, id digest.Digest) []byte { return inner[b].Document(t, id) }
	cfg.Damage = func(t testing.TB, b jettison.Backend, id digest.Digest) { inner[b].Damage(t, id) }
	cfg.Garbage = &storetest.Garbage{
		Hold:  func(t testing.TB, b jettison.Backend, dgst digest.Digest) { inner[b].Hold(t, dgst) },
		There: func(t testing.TB, b jettison.Backend, dgst digest.Digest) bool { return inner[b].There(t, dgst) },
	}
	return cfg
}

// The wrapper around the backend with all abilities breaks nothing by itself.
func TestUnbrokenWhole(t *testing.T) {
	for _, f := range storetest.Check(t, breakingWhole("", nil, func(*ableFakes) {}).config) {
		t.Errorf("%s: %s", f.Case, f)
	}
}
