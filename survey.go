package jettison

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// A survey is what a prune knows of the store as a whole.
type survey struct {
	// before and since bound the time of creation; zero bounds nothing.
	before, since time.Time
	// newest has the images with a tag among the newest of its repository, and
	// the familiar name of that repository.
	newest map[digest.Digest]string
	// toFree is the number of bytes still to go; it matters with a goal only.
	toFree int64
}

// clone returns a survey whose goal can be counted down by itself.
func (s *survey) clone() *survey {
	c := *s
	return &c
}

// A candidate is an image that the filters may choose: what puts it in its
// place. The survey of a large store keeps many.
type candidate struct {
	id                digest.Digest
	created, lastUsed time.Time
}

// survey looks at the whole store once. It returns the images that the filters
// may choose, in the order in which they are looked at, and those that are kept
// because they are unreadable.
func (p *pruner) survey(ctx context.Context) ([]candidate, []Removal, error) {
	p.found = &survey{}
	if err := p.resolveBounds(ctx); err != nil {
		return nil, nil, err
	}
	s := scan{created: p.creationTimes(), measure: p.measure()}
	for img, err := range p.stores.Images.All(ctx) {
		if err := s.add(ctx, p, img, err); err != nil {
			return nil, nil, err
		}
	}
	if err := p.setGoal(ctx, s.measure); err != nil {
		return nil, nil, err
	}
	if err := p.findNewest(ctx, s.created); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(s.queue, p.order())
	return s.queue, s.kept, nil
}

// A scan is one walk over all images.
type scan struct {
	queue   []candidate
	kept    []Removal
	created map[digest.Digest]time.Time // nil when nobody asks
	measure *measure                    // nil when nobody asks
}

func (s *scan) add(ctx context.Context, p *pruner, img imagestore.Image, err error) error {
	var damage *imagestore.UnreadableError
	switch {
	case errors.As(err, &damage):
		p.log.WarnContext(ctx, "image record is unreadable", "image", damage.ID, "error", err)
		s.kept = append(s.kept, keep(damage.ID, Kept{Why: WhyUnreadable, Detail: damage.Error()}))
		return nil
	case err != nil:
		return err
	}
	if s.created != nil {
		s.created[img.ID] = img.Created
	}
	if s.measure != nil {
		if err := s.measure.add(ctx, p.stores.Images, img); err != nil {
			return err
		}
	}
	if p.chooses(img) || p.policy.explain {
		s.queue = append(s.queue, candidateOf(img))
		if p.records != nil {
			p.records[img.ID] = img
		}
	}
	return nil
}

func candidateOf(img imagestore.Image) candidate {
	return candidate{id: img.ID, created: img.Created, lastUsed: lastUsed(img)}
}

// keep is a removal that keeps an image.
func keep(id digest.Digest, why Kept) Removal {
	why.Image = id
	return Removal{Image: id, Kept: []Kept{why}}
}

// order is that of rule P6: oldest first; where a size is the goal, the least
// recently used first (rule P10). Ties go by ID.
func (p *pruner) order() func(a, b candidate) int {
	byGoal := p.policy.hasGoal()
	return func(a, b candidate) int {
		if byGoal {
			if c := a.lastUsed.Compare(b.lastUsed); c != 0 {
				return c
			}
		}
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id.String(), b.id.String())
	}
}

// lastUsed is when the image was used, or else created.
func lastUsed(img imagestore.Image) time.Time {
	if img.LastUsed.After(img.Created) {
		return img.LastUsed
	}
	return img.Created
}

// resolveBounds resolves the images of the filters before and since.
func (p *pruner) resolveBounds(ctx context.Context) error {
	bounds := []struct {
		key, name string
		at        *time.Time
	}{
		{filter.Before, p.policy.filter.Before(), &p.found.before},
		{filter.Since, p.policy.filter.Since(), &p.found.since},
	}
	for _, bound := range bounds {
		if bound.name == "" {
			continue
		}
		t, err := p.resolveReadable(ctx, bound.name)
		if err != nil {
			return class.Errorf(class.NotFound, "filter '%s=%s': %w", bound.key, bound.name, err)
		}
		if t.image.Created.IsZero() {
			return class.Errorf(class.InvalidArgument, "filter '%s=%s': the image does not say when it was created", bound.key, bound.name)
		}
		*bound.at = t.image.Created
	}
	before, since := p.found.before, p.found.since
	if !before.IsZero() && !since.IsZero() && !since.Before(before) {
		return class.Errorf(class.InvalidArgument, "filter '%s=%s' contradicts '%s=%s': the image was not created earlier",
			filter.Since, p.policy.filter.Since(), filter.Before, p.policy.filter.Before())
	}
	return nil
}

// creationTimes is a place to note when images were created, if tags are to be
// kept by it.
func (p *pruner) creationTimes() map[digest.Digest]time.Time {
	if p.policy.keepLast == 0 {
		return nil
	}
	return make(map[digest.Digest]time.Time)
}

// A dated tag is one with the time when its image was created.
type datedTag struct {
	tag     string
	image   digest.Digest
	created time.Time
}

// findNewest notes the images that the newest tags of each repository keep.
func (p *pruner) findNewest(ctx context.Context, created map[digest.Digest]time.Time) error {
	if p.policy.keepLast == 0 {
		return nil
	}
	repositories := make(map[string][]datedTag)
	for assoc, err := range p.stores.References.All(ctx) {
		if err != nil {
			return err
		}
		if at, ok := created[assoc.ID]; ok && p.isOwnTag(assoc.Ref) {
			name := reference.FamiliarName(assoc.Ref)
			repositories[name] = append(repositories[name], datedTag{assoc.Ref.String(), assoc.ID, at})
		}
	}
	p.found.newest = make(map[digest.Digest]string)
	for name, tags := range repositories {
		slices.SortFunc(tags, func(a, b datedTag) int {
			return cmp.Or(b.created.Compare(a.created), strings.Compare(b.tag, a.tag))
		})
		for _, tag := range tags[:min(p.policy.keepLast, len(tags))] {
			if other, ok := p.found.newest[tag.image]; !ok || name < other {
				p.found.newest[tag.image] = name
			}
		}
	}
	return nil
}

// A measure sums up the content of a store, each piece once.
type measure struct {
	bytes   int64
	layers  map[digest.Digest]bool
	content map[digest.Digest]bool
}

// measure is a place to sum up content, if the size of the store is a goal.
func (p *pruner) measure() *measure {
	if p.policy.storage == 0 {
		return nil
	}
	return &measure{layers: make(map[digest.Digest]bool), content: make(map[digest.Digest]bool)}
}

func (m *measure) add(ctx context.Context, images ImageStore, img imagestore.Image) error {
	m.count(img.Content)
	for _, chain := range img.Chains() {
		if err := m.addChain(ctx, images, chain); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) addChain(ctx context.Context, images ImageStore, chain digest.Digest) error {
	for chain != "" && !m.layers[chain] {
		m.layers[chain] = true
		layer, err := images.Layer(ctx, chain)
		if isDamage(err) {
			return nil
		}
		if err != nil {
			return err
		}
		m.count(layer.Content)
		chain = layer.Parent
	}
	return nil
}

func (m *measure) count(content []imagestore.Content) {
	for _, c := range content {
		if !m.content[c.Digest] {
			m.content[c.Digest] = true
			m.bytes += c.Size
		}
	}
}

// setGoal says how many bytes have to go.
func (p *pruner) setGoal(ctx context.Context, m *measure) error {
	if m != nil {
		p.found.toFree = m.bytes - p.policy.storage
	}
	if p.policy.disk != nil {
		toFree, err := p.policy.disk.toFree(ctx)
		if err != nil {
			return err
		}
		p.found.toFree = max(p.found.toFree, toFree)
	}
	return nil
}
