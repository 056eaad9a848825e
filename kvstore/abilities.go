package kvstore

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

var (
	_ jettison.ReferrerStore = images{}
	_ jettison.PlatformStore = images{}
)

// Referrers are the images about this one, as [jettison.ReferrerStore] says.
func (i images) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return i.tx.Referrers(ctx, id)
}

// Subjects are the images that this one is about, as [jettison.ReferrerStore]
// says.
func (i images) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return i.tx.Subjects(ctx, id)
}

// Replace takes manifests out of an index, as [jettison.PlatformStore] says.
func (i images) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	return i.tx.ReplaceIndex(ctx, id, manifests)
}

// CreateIndex is CreateIndex of the image store, and notes that the index was
// used now, also when it was there before.
func (tx *Tx) CreateIndex(ctx context.Context, spec imagestore.IndexSpec) (imagestore.Image, error) {
	img, err := tx.Images.CreateIndex(ctx, spec)
	if err != nil {
		return img, err
	}
	if err := tx.Images.Touch(ctx, img.ID, tx.now()); err != nil {
		return img, err
	}
	return tx.Images.Get(ctx, img.ID)
}

// ReplaceIndex is Replace of the image store; the references name the new image
// from then on, and leases that have expired go.
func (tx *Tx) ReplaceIndex(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	next, removed, err := tx.Images.Replace(ctx, id, manifests)
	if err != nil || next.ID == id {
		return next, removed, err
	}
	if err := tx.References.Move(ctx, id, next.ID); err != nil {
		return next, removed, err
	}
	return next, removed, tx.Leases.removeAll(ctx, id)
}

// Referrers returns the IDs of the images that are about the image, or about a
// manifest or an index that it holds: by their subject or by a tag of the
// referrers tag schema. Sorted; none when there are none or no such image.
func (tx *Tx) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	noSubject, err := tx.Images.NoneAbout(ctx)
	if err != nil {
		return nil, err
	}
	noTag, err := tx.References.NoneAbout(ctx)
	if err != nil || noSubject && noTag {
		return nil, err
	}
	digests, err := tx.Images.Digests(ctx, id)
	if err != nil {
		return nil, err
	}
	var found []digest.Digest
	for _, dgst := range digests {
		bySubject, err := tx.Images.ImagesAbout(ctx, dgst)
		if err != nil {
			return nil, err
		}
		byTag, err := tx.References.ImagesAbout(ctx, dgst)
		if err != nil {
			return nil, err
		}
		if byTag, err = tx.there(ctx, byTag); err != nil {
			return nil, err
		}
		found = append(append(found, bySubject...), byTag...)
	}
	return others(found, id), nil
}

// there returns those of the images that are there.
func (tx *Tx) there(ctx context.Context, ids []digest.Digest) ([]digest.Digest, error) {
	var there []digest.Digest
	for _, id := range ids {
		found, err := tx.Images.Search(ctx, id.String())
		if err != nil {
			return nil, err
		}
		there = append(there, found...)
	}
	return there, nil
}

// Subjects returns the IDs of the images that the image is about, sorted: the
// other direction of [Tx.Referrers]. None when there is no such image.
func (tx *Tx) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	digests, err := tx.about(ctx, id)
	if err != nil {
		return nil, err
	}
	var found []digest.Digest
	for _, dgst := range digests {
		with, err := tx.Images.ImagesWith(ctx, dgst)
		if err != nil {
			return nil, err
		}
		found = append(found, with...)
	}
	return others(found, id), nil
}

// about are the digests that the image is about; none when it is not there. Of
// one that is unreadable the tags alone are known.
func (tx *Tx) about(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	var digests []digest.Digest
	img, err := tx.Images.Get(ctx, id)
	switch {
	case class.Is(err, class.NotFound):
		return nil, nil
	case err != nil && !class.Is(err, class.Internal):
		return nil, err
	case img.Subject != "":
		digests = append(digests, img.Subject)
	}
	refs, err := tx.References.References(ctx, id)
	for _, ref := range refs {
		if subject, ok := refstore.SubjectOf(ref); ok {
			digests = append(digests, subject)
		}
	}
	return digests, err
}

// others sorts the IDs and leaves out what is there twice, and id itself.
func others(ids []digest.Digest, id digest.Digest) []digest.Digest {
	ids = slices.DeleteFunc(ids, func(other digest.Digest) bool { return other == id })
	slices.Sort(ids)
	return slices.Compact(ids)
}
