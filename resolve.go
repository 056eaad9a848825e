package jettison

import (
	"context"
	_ "crypto/sha256" // without it no digest is valid
	_ "crypto/sha512" // nor those of sha384 and sha512
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/platform"
)

// Resolved is the image that a text means.
type Resolved struct {
	// Image is the record of the image.
	Image imagestore.Image
	// Reference is the reference by which the image was found, or nil when the
	// text is its ID or a prefix of it (rule R4). Where a name with a digest means
	// tags (rule R10) it is the first of them.
	Reference reference.Named
}

// Resolve returns the image that imageRef means: a full ID, a name, or a
// unique prefix of an ID, in this order (rules R1 to R7, R9 and R10). The error
// is of class InvalidArgument for a text that is none of these or a prefix that is
// not unique ([*AmbiguousError]), and NotFound when there is no such image.
func (s *Service) Resolve(ctx context.Context, imageRef string) (Resolved, error) {
	var found Resolved
	err := s.backend.View(ctx, func(stores Stores) error {
		t, err := s.planner(stores).resolveReadable(ctx, imageRef)
		if err == nil {
			found = Resolved{Image: *t.image, Reference: t.ref}
			if len(t.tags) > 0 {
				found.Reference = t.tags[0]
			}
		}
		return err
	})
	return found, classify(err)
}

// A target is what the text that a user typed means.
type target struct {
	typed string
	// id is the ID of the image.
	id digest.Digest
	// ref is the reference by which the image was found; nil in ID mode. The
	// mode follows from how the text was resolved, never from how it looks
	// (rule R4).
	ref reference.Named
	// tags are those that are meant when ref has a digest and is no reference of the
	// store (rule R10), sorted; otherwise nil.
	tags []reference.Named
	// image is the record; nil when it is missing or unreadable (rule R5).
	image *imagestore.Image
}

// missing is the error for a target whose record is not there (rule R7).
func (t target) missing() error {
	if t.ref != nil {
		return noSuchImage(reference.FamiliarString(t.ref))
	}
	return noSuchImage(t.id.String())
}

var (
	bareID   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	idPrefix = regexp.MustCompile(`^(?:[a-z0-9]+:)?([0-9a-f]{4,})$`)
)

// resolve finds what typed means: rules R1 to R8.
func (p *planner) resolve(ctx context.Context, typed string, platforms []ocispec.Platform) (target, error) {
	t, err := p.findReadable(ctx, typed)
	several := len(platforms) > 1 && (p.stores.Images.Platforms == nil || t.image == nil || t.image.Manifests == nil)
	if several && (err == nil || isNotFound(err) || class.Is(err, class.InvalidArgument)) { // R8
		return target{}, class.Errorf(class.InvalidArgument, "multiple platforms are not supported")
	}
	if err != nil {
		return target{}, err
	}
	for _, want := range platforms {
		if err := p.checkPlatform(t, want); err != nil {
			return t, err
		}
	}
	return t, nil
}

// findReadable finds what typed means and reads the record.
func (p *planner) findReadable(ctx context.Context, typed string) (target, error) {
	t, err := p.find(ctx, typed)
	if err != nil {
		return target{}, err
	}
	err = p.readImage(ctx, &t)
	return t, err
}

// resolveReadable is resolve for those who need the record of the image.
func (p *planner) resolveReadable(ctx context.Context, typed string) (target, error) {
	t, err := p.resolve(ctx, typed, nil)
	if err == nil && t.image == nil {
		_, err = p.Image(ctx, t.id)
	}
	if isNotFound(err) && t.id != "" {
		err = t.missing()
	}
	return t, err
}

// find looks for a full ID, then a name, then a unique ID prefix (rule R2).
func (p *planner) find(ctx context.Context, typed string) (target, error) {
	if strings.TrimSpace(typed) == "" {
		return target{}, class.Errorf(class.InvalidArgument, "image reference is empty")
	}
	if id, ok := fullID(typed); ok {
		return target{typed: typed, id: id}, nil
	}
	ref, err := p.name(ctx, typed)
	if err != nil {
		return target{}, err
	}
	id, err := p.Resolve(ctx, ref)
	if err == nil {
		return target{typed: typed, id: id, ref: ref}, nil
	}
	if !isNotFound(err) {
		return target{}, err
	}
	if t, found, err := p.findDigest(ctx, typed, ref); err != nil || found {
		return t, err
	}
	return p.findPrefix(ctx, typed, ref)
}

// findDigest takes a name with a digest for the tags of its repository that name
// the image with that digest, in a store that knows it (rule R10).
func (p *planner) findDigest(ctx context.Context, typed string, ref reference.Named) (target, bool, error) {
	canonical, ok := ref.(reference.Canonical)
	if !ok || p.stores.References.Digests == nil {
		return target{}, false, nil
	}
	id, err := p.stores.References.Digests.ByDigest(ctx, canonical.Digest())
	if isNotFound(err) {
		return target{}, false, nil
	}
	if err != nil {
		return target{}, false, err
	}
	refs, err := p.References(ctx, id)
	t := target{typed: typed, id: id, ref: ref}
	for _, other := range refs {
		if isTag(other) && other.Name() == ref.Name() {
			t.tags = append(t.tags, other)
		}
	}
	return t, len(t.tags) > 0, err
}

// fullID reports whether typed is a full image ID, and which (rule R1).
func fullID(typed string) (digest.Digest, bool) {
	if bareID.MatchString(typed) {
		return digest.NewDigestFromEncoded(digest.SHA256, typed), true
	}
	id, err := digest.Parse(typed)
	return id, err == nil
}

// parseName returns the normalized name that typed stands for, with a tag or a
// digest; a tag beside a digest is dropped (rules R1 and R6).
func parseName(typed string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(typed)
	if err != nil {
		return nil, class.Errorf(class.InvalidArgument, "%q is not an image reference: %w", typed, err)
	}
	if canonical, ok := named.(reference.Canonical); ok {
		return reference.WithDigest(reference.TrimNamed(named), canonical.Digest())
	}
	return reference.TagNameOnly(named), nil
}

// findPrefix takes typed for the beginning of an image ID (rule R3).
func (p *planner) findPrefix(ctx context.Context, typed string, ref reference.Named) (target, error) {
	if !idPrefix.MatchString(typed) {
		return target{}, noSuchImage(reference.FamiliarString(ref)) // R7
	}
	ids, err := p.Search(ctx, typed)
	switch {
	case err != nil:
		return target{}, err
	case len(ids) == 0:
		return target{}, noSuchImage(reference.FamiliarString(ref))
	case len(ids) > 1:
		return target{}, &AmbiguousError{Prefix: typed, Candidates: ids}
	}
	return target{typed: typed, id: ids[0]}, nil
}

// readImage reads the record of the target. In reference mode the record may
// be missing or unreadable, in ID mode unreadable (rule R5).
func (p *planner) readImage(ctx context.Context, t *target) error {
	img, err := p.Image(ctx, t.id)
	var unreadable *imagestore.UnreadableError
	switch {
	case err == nil:
		t.image = &img
		return nil
	case errors.As(err, &unreadable):
		p.log.WarnContext(ctx, "image record is unreadable", "image", t.id, "error", err)
		return nil
	case !isNotFound(err):
		return err
	case t.ref != nil:
		return nil
	}
	return t.missing()
}

// checkPlatform is rule R8; for an index, what rule M2 takes of it.
func (p *planner) checkPlatform(t target, want ocispec.Platform) error {
	if t.image == nil {
		return t.missing()
	}
	name := t.typed
	if canonical, err := reference.ParseNamed(t.typed); err == nil {
		name = reference.FamiliarString(canonical)
	}
	switch {
	case t.image.Manifests != nil && p.stores.Images.Platforms == nil:
		return class.Errorf(class.InvalidArgument, "%s is an index, and this store cannot remove single platforms", name)
	case t.image.Manifests != nil && len(p.matching(*t.image, want)) > 0:
		return nil
	case t.image.Manifests == nil && p.platforms(want, t.image.Platform):
		return nil
	}
	return class.Errorf(class.NotFound, "image with reference %s was found but its platform (%s) does not match the specified platform (%s)",
		name, platformsOf(*t.image), platform.Format(want))
}
