package refstore

import (
	"context"
	_ "crypto/sha512" // to tell IDs of sha384 and sha512
	"errors"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// AddOptions are the options of [Store.AddTag]. The zero value is the safe one.
type AddOptions struct {
	// Force lets a tag be taken from the image that it names now.
	Force bool
}

// AddTag makes ref, which has a tag or gets "latest", name the image. When it
// does already, nothing changes.
//
// The error is of class Conflict when the tag names another image and
// opts.Force is not set, and of class InvalidArgument when ref has a digest, is
// the bare name of the digest algorithm, or the ID is malformed.
func (s *Store) AddTag(ctx context.Context, ref reference.Named, id digest.Digest, opts AddOptions) error {
	if _, ok := ref.(reference.Canonical); ok {
		return class.Errorf(class.InvalidArgument, "refusing to create a tag with a digest reference")
	}
	name, old, err := s.prepare(ctx, ref, id)
	if err != nil || old == id {
		return err
	}
	if old != "" {
		if !opts.Force {
			return class.Errorf(class.Conflict,
				"tag %s is already set to image %s, use the force option to replace it", name.familiar(), old)
		}
		if err := s.tx.Delete(ctx, s.idKey(old, name)); err != nil {
			return err
		}
	}
	return s.put(ctx, name, id)
}

// AddDigest makes ref name the image. When it does already, nothing changes.
//
// The error is of class Conflict when it names another image, for which there
// is no force: a digest names one thing for ever. Otherwise errors are those of
// [Store.AddTag].
func (s *Store) AddDigest(ctx context.Context, ref reference.Canonical, id digest.Digest) error {
	name, old, err := s.prepare(ctx, ref, id)
	if err != nil || old == id {
		return err
	}
	if old != "" {
		return class.Errorf(class.Conflict, "cannot overwrite digest %s", ref.Digest())
	}
	return s.put(ctx, name, id)
}

// Delete removes ref if it still names the image; otherwise the error is of
// class NotFound and nothing changes. Of two removals of one reference only one
// succeeds (rule D15). A damaged record goes too, if the image's list of
// references has it.
func (s *Store) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	name, err := normalize(ref)
	if err != nil {
		return err
	}
	if err := s.checkNames(ctx, name, id); err != nil {
		return err
	}
	if err := s.tx.Delete(ctx, s.refKey(name)); err != nil {
		return err
	}
	if subject, ok := name.subject(); ok {
		if err := s.tx.Delete(ctx, aboutKey(subject, name)); err != nil {
			return err
		}
	}
	return s.tx.Delete(ctx, s.idKey(id, name))
}

// checkNames returns an error unless the reference names the image. Where its
// record is damaged, the list of the image's references decides, so that the
// image can be deleted all the same.
func (s *Store) checkNames(ctx context.Context, name normal, id digest.Digest) error {
	now, err := s.get(ctx, name)
	switch {
	case errors.Is(err, class.Internal):
		if _, listed := s.r.Get(ctx, s.idKey(id, name)); listed == nil {
			return nil
		}
		return err
	case err != nil:
		return err
	case now != id:
		return class.Errorf(class.NotFound, "reference %s no longer names image %s", name, id)
	}
	return nil
}

// prepare checks what is to be added and returns its normal form and the ID
// that it names now, or none.
func (s *Store) prepare(ctx context.Context, ref reference.Named, id digest.Digest) (normal, digest.Digest, error) {
	if err := s.writable(); err != nil {
		return "", "", err
	}
	if err := id.Validate(); err != nil {
		return "", "", class.Errorf(class.InvalidArgument, "image ID %q: %w", id, err)
	}
	name, err := normalize(ref)
	if err != nil {
		return "", "", err
	}
	if _, err := s.parser.parseNormal(name); err != nil {
		return "", "", class.Wrap(class.InvalidArgument, err)
	}
	_, notID := digest.Parse(name.familiar()) // sha512:… could be given as a tag, but never be found (rule R1)
	if name.repository() == "docker.io/library/sha256" || notID == nil {
		return "", "", class.Errorf(class.InvalidArgument,
			"refusing to create an ambiguous tag using digest algorithm as name")
	}
	old, err := s.get(ctx, name)
	if errors.Is(err, class.NotFound) {
		return name, "", nil
	}
	return name, old, err
}

// put writes both directions.
func (s *Store) put(ctx context.Context, name normal, id digest.Digest) error {
	key := s.refKey(name)
	if err := s.tx.Put(ctx, key, encode(key, id)); err != nil {
		return err
	}
	if subject, ok := name.subject(); ok {
		s.about.Put()
		if err := s.tx.Put(ctx, aboutKey(subject, name), nil); err != nil {
			return err
		}
	}
	return s.tx.Put(ctx, s.idKey(id, name), nil)
}
