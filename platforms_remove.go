package jettison

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/platform"
)

// removePlatforms takes manifests out of an index that keeps others: rule M2.
func (p *planner) removePlatforms(ctx context.Context, r *Removal, t target, going []digest.Digest, opts RemoveOptions) error {
	if err := p.refusePlatforms(ctx, t, opts); err != nil {
		return err
	}
	next, removed, err := p.replaceIndex(ctx, *t.image, going)
	if err != nil && !isDamage(err) || next.ID == "" {
		return err
	}
	if err != nil {
		p.log.WarnContext(ctx, "layers stay behind", "image", t.id, "error", err)
	}
	r.Steps = append(r.Steps, Step{Image: t.id, Without: going, Becomes: next.ID, Removed: removed})
	return p.deleteReferrers(ctx, r, t.id, opts)
}

// refusePlatforms refuses to take platforms out of an index in use, for nothing
// says which of them is used; and without force, for every reference of the index
// is concerned.
func (p *planner) refusePlatforms(ctx context.Context, t target, opts RemoveOptions) error {
	refusal, err := conflict.Check(ctx, unforced{p}, t.id, conflict.InUse)
	if err == nil && refusal == nil && !opts.Force {
		refusal, err = conflict.Check(ctx, p, t.id, conflict.ActiveReference)
		if refusal == nil {
			refusal = &conflict.Error{Image: t.id}
		}
	}
	if err != nil || refusal == nil {
		return err
	}
	refusal.Platforms = true
	return refusal
}

// unforced are facts of which force overrides no container.
type unforced struct{ conflict.Facts }

func (f unforced) Containers(ctx context.Context, image digest.Digest) ([]Container, error) {
	all, err := f.Facts.Containers(ctx, image)
	all = slices.Clone(all)
	for i := range all {
		all[i].Holds = true
	}
	return all, err
}

// going are the manifests that rule M2 takes out of an index, in its order: those
// of the platforms, and those that are about one of them. There are none when no
// platform is given, for an image that is no index, and when nothing would be
// left: then the image itself is deleted.
func (p *planner) going(t target, platforms []ocispec.Platform) []digest.Digest {
	if t.image == nil || t.image.Manifests == nil {
		return nil
	}
	gone := make(map[digest.Digest]bool)
	for _, want := range platforms {
		for _, dgst := range p.matching(*t.image, want) {
			gone[dgst] = true
		}
	}
	for again := true; again; { // what is about one that goes may itself have something about it
		again = false
		for _, m := range t.image.Manifests {
			if gone[m.Subject] && !gone[m.Digest] {
				gone[m.Digest], again = true, true
			}
		}
	}
	if len(gone) == len(t.image.Manifests) {
		return nil
	}
	var going []digest.Digest
	for _, m := range t.image.Manifests {
		if gone[m.Digest] {
			going = append(going, m.Digest)
		}
	}
	return going
}

// matching are the manifests of exactly this platform: of it and theirs, as
// normalized, each serves the other. One that would merely run there is not what
// was named.
func (p *planner) matching(index imagestore.Image, want ocispec.Platform) []digest.Digest {
	var found []digest.Digest
	want = normalizePlatform(want)
	for _, m := range index.Manifests {
		have := normalizePlatform(m.Platform)
		version := want.OSVersion == "" || want.OSVersion == have.OSVersion
		if m.Subject == "" && version && p.platforms(want, have) && p.platforms(have, want) {
			found = append(found, m.Digest)
		}
	}
	return found
}

// platformsOf writes the platform of an image, or those of an index, each once.
func platformsOf(img imagestore.Image) string {
	if img.Manifests == nil {
		return platform.Format(img.Platform)
	}
	var names []string
	for _, m := range img.Manifests {
		if name := platform.Format(m.Platform); !slices.Contains(names, name) && m.Subject == "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
