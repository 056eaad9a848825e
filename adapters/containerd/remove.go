package containerd

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// removeNames removes records of an image. When all of them were gone or name
// something else the error is of class NotFound; one that is left goes with the
// others.
func (s *state) removeNames(ctx context.Context, img *image, names []string) error {
	removed := false
	var missing error
	for _, name := range names {
		err := s.removeName(ctx, img, name)
		switch {
		case err == nil:
			removed = true
		case class.Is(err, class.NotFound):
			missing = err
		default:
			return err
		}
		s.forget(img, name)
	}
	if removed {
		return nil
	}
	return missing
}

// removeName removes one record, if its target is that of the image. Garbage is
// left to be collected.
func (s *state) removeName(ctx context.Context, img *image, name string) error {
	store, target := s.backend.services.Images, img.target
	if !s.backend.services.comparesTargets() {
		now, err := store.Get(s.here(ctx), name)
		if err != nil {
			return failed("look at "+name, err)
		}
		if now.Target.Digest != target.Digest {
			return class.Errorf(class.NotFound, "%s no longer names %s", name, target.Digest)
		}
	}
	return failed("remove "+name, store.Delete(s.here(ctx), name, images.DeleteTarget(&target)))
}

// keepDangling makes the record that keeps an image without references, as
// Docker does.
func (s *state) keepDangling(ctx context.Context, img *image) error {
	record := images.Image{Name: danglingPrefix + img.id().String(), Target: img.target, Labels: img.labels()}
	if err := s.referBack(ctx, img, record.Labels); err != nil {
		return err
	}
	made, err := s.create(ctx, record)
	if err != nil {
		return err
	}
	s.addRecord(&made)
	return nil
}

// create makes a record without a reference, or returns the one that is there: an
// earlier try has left it, or another program has been faster. It is left as it is,
// unless it would go by itself.
func (s *state) create(ctx context.Context, record images.Image) (images.Image, error) {
	store := s.backend.services.Images
	made, err := store.Create(s.here(ctx), record)
	if !errdefs.IsAlreadyExists(err) {
		return made, failed("keep "+record.Target.Digest.String(), err)
	}
	there, err := store.Get(s.here(ctx), record.Name)
	if _, expires := there.Labels[gcExpire]; expires && there.Target.Digest == record.Target.Digest {
		there, err = store.Update(s.here(ctx), record, "labels")
	}
	if err == nil && there.Target.Digest != record.Target.Digest {
		return there, class.Errorf(class.Conflict, "containerd: %s names %s", record.Name, there.Target.Digest)
	}
	return there, failed("keep "+record.Target.Digest.String(), err)
}

// referBack adds the labels by which a record goes when the containers that use
// its image are gone, if there are any and nothing else keeps the image.
func (s *state) referBack(ctx context.Context, img *image, labels map[string]string) error {
	if !s.backend.opts.BackReferences || !s.backend.services.collectsRecords() {
		return nil
	}
	r, err := s.resolveUses(ctx)
	if err != nil {
		return err
	}
	held, err := leaseStore{s}.Leases(ctx, img.id())
	if err != nil || len(held) > 0 || len(r.users[img.id()]) == 0 {
		return err
	}
	children, err := imageStore{s}.Children(ctx, img.id())
	if err != nil || len(children) > 0 {
		return err
	}
	refs := make(map[string]string)
	for i, c := range r.users[img.id()] {
		if !slices.ContainsFunc(s.uses.containers, func(u container) bool { return u.namespace == "" && u.ID == c.ID }) {
			return nil // nothing that the daemon could follow
		}
		refs[gcContainer+"/"+strconv.Itoa(i)] = c.ID
	}
	maps.Copy(labels, refs)
	labels[gcExpire] = s.backend.opts.Now().UTC().Format(time.RFC3339)
	return nil
}

// labels are those of all records together, without those that say a name, and
// without those by which a record goes by itself.
func (img *image) labels() map[string]string {
	labels := make(map[string]string)
	for _, record := range img.records {
		maps.Copy(labels, record.Labels)
	}
	maps.DeleteFunc(labels, func(label, _ string) bool {
		return label == images.AnnotationImageName || label == ocispec.AnnotationRefName ||
			label == gcExpire || strings.HasPrefix(label, gcBackRef)
	})
	return labels
}
