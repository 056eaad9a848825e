package containerd

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
)

// fewReported is up to how many pieces, or images, are asked for by themselves when
// it is looked whether they have gone; of more, all that is there is listed.
const fewReported = 32

// Collect has the garbage of this update collected, waits for it, and returns
// what was reported to have gone and is there all the same. Images that were deleted
// and have a name again are in the state from then on.
func (s imageStore) Collect(ctx context.Context) ([]digest.Digest, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	if err := s.backend.collect(s.here(ctx)); err != nil {
		return nil, err
	}
	reported := s.reported
	s.reported = nil
	var left []digest.Digest
	err := together(ctx, s.findNamedAgain, func(ctx context.Context) (err error) {
		left, err = s.remaining(ctx, reported)
		return err
	})
	return left, err
}

// collect runs the garbage collector. A daemon does that for whoever deletes a
// lease and wants to wait, so one is made for it; should it be left behind, it ends
// by itself.
func (b *Backend) collect(ctx context.Context) error {
	if b.services.Garbage != nil {
		_, err := b.services.Garbage.GarbageCollect(ctx)
		return failed("collect garbage", err)
	}
	made, err := b.services.Leases.Create(ctx, leases.WithID(ourPrefix+"collect-"+rand.Text()), leases.WithExpiration(time.Hour))
	if err != nil {
		return failed("collect garbage", err)
	}
	return failed("collect garbage", b.services.Leases.Delete(ctx, made, leases.SynchronousDelete))
}

// findNamedAgain lists the names of images that were deleted, which another program
// has made since the namespace was looked at, and adds them to the state. The
// collection has kept what they need.
func (s *state) findNamedAgain(ctx context.Context) error {
	if len(s.deleted) == 0 {
		return nil
	}
	found, err := s.listDeleted(ctx)
	if err != nil {
		return err
	}
	again := slices.DeleteFunc(found, func(r images.Image) bool { return !s.deleted[r.Target.Digest] })
	if len(again) > 0 {
		s.index(append(s.records(), again...))
	}
	clear(s.deleted)
	return nil
}

// listDeleted lists the names that there are of images that were deleted; when those
// are many, all names.
func (s *state) listDeleted(ctx context.Context) ([]images.Image, error) {
	if len(s.deleted) > fewReported {
		return s.backend.listImages(s.here(ctx))
	}
	var filters []string
	for id := range s.deleted {
		filters = append(filters, "target.digest=="+id.String())
	}
	found, err := s.backend.services.Images.List(s.here(ctx), filters...)
	return found, failed("list images", err)
}

// remaining are those of the pieces that are there. It reads nothing of the state
// that a name which is found again changes.
func (s *state) remaining(ctx context.Context, reported []digest.Digest) ([]digest.Digest, error) {
	if len(reported) > fewReported {
		return s.remainingOfMany(ctx, reported)
	}
	return s.remainingOfFew(ctx, reported)
}

// remainingOfFew asks for each piece.
func (s *state) remainingOfFew(ctx context.Context, reported []digest.Digest) ([]digest.Digest, error) {
	there := make([]bool, len(reported))
	err := several(ctx, len(reported), func(ctx context.Context, i int) (err error) {
		there[i], err = s.isThere(ctx, reported[i])
		return err
	})
	var left []digest.Digest
	for i, id := range reported {
		if there[i] {
			left = append(left, id)
		}
	}
	return left, err
}

// isThere reports whether content or a layer is there. The one named like the
// other is not told from it.
func (s *state) isThere(ctx context.Context, id digest.Digest) (bool, error) {
	if s.graph.blobs[id] != nil {
		_, err := s.backend.services.Content.Info(s.here(ctx), id)
		if err == nil || !isMissing(err) {
			return err == nil, failed("look for "+id.String(), err)
		}
	}
	for _, key := range s.graph.tree.named(id) {
		_, err := s.backend.snapshotter(key.snapshotter).Stat(s.here(ctx), key.name)
		if err == nil || !isMissing(err) {
			return err == nil, failed("look for snapshot "+key.name, err)
		}
	}
	return false, nil
}

// remainingOfMany lists what is there.
func (s *state) remainingOfMany(ctx context.Context, reported []digest.Digest) ([]digest.Digest, error) {
	there := make(map[digest.Digest]bool)
	err := s.backend.services.Content.Walk(s.here(ctx), func(info content.Info) error {
		there[info.Digest] = true
		return nil
	})
	if err != nil {
		return nil, failed("walk content", err)
	}
	for _, snapshotter := range s.graph.tree.snapshotters {
		err := s.backend.snapshotter(snapshotter).Walk(s.here(ctx), func(_ context.Context, info snapshots.Info) error {
			there[digest.Digest(info.Name)] = true
			return nil
		})
		if err != nil {
			return nil, failed("walk snapshots of "+snapshotter, err)
		}
	}
	var left []digest.Digest
	for _, id := range reported {
		if there[id] {
			left = append(left, id)
		}
	}
	return left, nil
}
