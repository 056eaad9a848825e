package containerd

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// usages remember what committed snapshots take, which does not change. They are
// safe for concurrent use.
type usages struct {
	mu    sync.Mutex
	bytes map[snapshotKey]int64
}

// maxUsages is how many are remembered.
const maxUsages = 100_000

func newUsages() *usages { return &usages{bytes: make(map[snapshotKey]int64)} }

func (u *usages) get(key snapshotKey) (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, ok := u.bytes[key]
	return n, ok
}

func (u *usages) put(key snapshotKey, n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.bytes) >= maxUsages {
		clear(u.bytes)
	}
	u.bytes[key] = n
}

// manyMeasured is how many layers are measured one by one. Who asks for more is
// likely to ask for all.
const manyMeasured = 64

// snapshotSize is the number of bytes that the snapshots of a layer take, in all
// snapshotters that have it.
func (s *state) snapshotSize(ctx context.Context, chain digest.Digest) (int64, error) {
	var total int64
	for _, key := range s.graph.tree.named(chain) {
		n, known := s.backend.usage.get(key)
		if !known {
			if s.measured++; s.measured == manyMeasured {
				s.measureAll(ctx)
			}
			var err error
			if n, err = s.measure(ctx, key); err != nil {
				return 0, err
			}
		}
		total += n
	}
	return total, nil
}

// measure asks what a snapshot takes, unless it is known. One that has gone takes
// nothing.
func (s *state) measure(ctx context.Context, key snapshotKey) (int64, error) {
	if n, known := s.backend.usage.get(key); known {
		return n, nil
	}
	used, err := s.backend.snapshotter(key.snapshotter).Usage(s.here(ctx), key.name)
	switch {
	case err == nil:
	case isMissing(err):
		return 0, nil
	default:
		return 0, failed("measure snapshot "+key.name, err)
	}
	s.backend.usage.put(key, used.Size)
	return used.Size, nil
}

// measureAll measures every layer, several at once. What fails is measured again
// by whoever needs it.
func (s *state) measureAll(ctx context.Context) {
	var keys []snapshotKey
	for chain := range s.graph.layers {
		keys = append(keys, s.graph.tree.named(chain)...)
	}
	_ = several(ctx, len(keys), func(ctx context.Context, i int) error {
		_, _ = s.measure(ctx, keys[i])
		return nil
	})
}

// named are the snapshots of this name, whatever snapshotter has them.
func (t *tree) named(chain digest.Digest) []snapshotKey {
	var found []snapshotKey
	for _, snapshotter := range t.snapshotters {
		key := snapshotKey{snapshotter, chain.String()}
		if _, ok := t.infos[key]; ok {
			found = append(found, key)
		}
	}
	return found
}

// diffID is that of a layer, as the configuration says that is unpacked to it;
// empty when that cannot be read.
func (s *state) diffID(ctx context.Context, l *layer) (digest.Digest, error) {
	if l.config == "" {
		return "", nil
	}
	config, err := s.document(ctx, ocispec.Descriptor{Digest: l.config})
	var damage *damageError
	switch {
	case err == nil:
		return config.diffIDs()[l.ChainID], nil
	case class.Is(err, class.NotFound), errors.As(err, &damage):
		return "", nil
	}
	return "", err
}
