package containerd

import (
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// danglingPrefix begins the name by which Docker keeps an image that has no
	// other: "moby-dangling@" and the digest of the target.
	danglingPrefix = "moby-dangling@"
	// parentLabel is how Docker's builder says from which image one was built.
	parentLabel = "org.mobyproject.image.parent"
	// pinnedLabel is how the kubelet's images are protected.
	pinnedLabel = "io.cri-containerd.pinned"
	pinnedValue = "pinned"
)

// An image is a target with all its names.
type image struct {
	target ocispec.Descriptor
	// names are the records that name the target, by name.
	names map[string]images.Image
	// refs are the references among them, sorted, and the names of each: more than
	// one when they differ only in how they are written.
	refs []named
	// unparsed are names that are no reference, sorted.
	unparsed []string
	// parent is from what the records say that it was built, or empty.
	parent digest.Digest
}

// A named is a reference with the records that are it.
type named struct {
	ref   reference.Named
	names []string
}

func (img *image) id() digest.Digest { return img.target.Digest }

// namesOf are the records of a reference.
func (img *image) namesOf(ref reference.Named) []string {
	for _, n := range img.refs {
		if n.ref.String() == full(ref) {
			return slices.Clone(n.names)
		}
	}
	return nil
}

// pinned reports whether a record is protected as Kubernetes does it.
func (img *image) pinned() bool {
	for _, record := range img.names {
		if record.Labels[pinnedLabel] == pinnedValue {
			return true
		}
	}
	return false
}

// lastsWithout reports whether another record than these keeps the image, and does
// not go by itself.
func (img *image) lastsWithout(names []string) bool {
	for name, record := range img.names {
		if _, expires := record.Labels[gcExpire]; !expires && !slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// sorted are the names in order.
func (img *image) sorted() []string {
	names := make([]string, 0, len(img.names))
	for name := range img.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// isDangling reports whether a name is that of a record without a reference.
func isDangling(name string) bool { return strings.HasPrefix(name, danglingPrefix) }

// isBareID reports whether a name is the ID of an image, as Kubernetes gives it:
// the digest of its configuration.
func isBareID(name string) bool {
	_, err := digest.Parse(name)
	return err == nil
}

// parseName returns the reference that a name is: normalized, with a tag or a
// digest. A tag beside a digest is dropped (rule R6).
func parseName(name string) (reference.Named, bool) {
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, false
	}
	if canonical, ok := parsed.(reference.Canonical); ok {
		parsed, err = reference.WithDigest(reference.TrimNamed(parsed), canonical.Digest())
		return parsed, err == nil
	}
	return reference.TagNameOnly(parsed), true
}

// index puts the records together: images by target, and references.
func (s *state) index(records []images.Image) {
	s.images = make(map[digest.Digest]*image)
	s.refs = make(map[string]*image)
	s.names = make(map[string]*image)
	s.children = make(map[digest.Digest][]digest.Digest)
	for _, record := range records {
		id := record.Target.Digest
		img := s.images[id]
		if img == nil {
			img = &image{target: record.Target, names: make(map[string]images.Image)}
			s.images[id] = img
		}
		img.names[record.Name] = record
		s.names[record.Name] = img
	}
	for _, n := range canonicalFirst(records) {
		img := s.images[n.record.Target.Digest]
		s.addName(img, n)
		if parent, err := digest.Parse(n.record.Labels[parentLabel]); err == nil && img.parent == "" {
			img.parent = parent
			s.children[parent] = append(s.children[parent], img.id())
		}
	}
	for _, img := range s.images {
		slices.SortFunc(img.refs, func(a, b named) int { return strings.Compare(a.ref.String(), b.ref.String()) })
		slices.Sort(img.unparsed)
	}
}

// A parsed is a record with what its name is.
type parsed struct {
	record images.Image
	ref    reference.Named // nil when the name is no reference
	full   string          // of the reference
}

// canonicalFirst puts the records whose name is the full form of its reference
// before those that are written otherwise, each sorted by name. Of two that mean
// the same, the first has the reference.
func canonicalFirst(records []images.Image) []parsed {
	all := make([]parsed, 0, len(records))
	for _, record := range records {
		n := parsed{record: record}
		if !isDangling(record.Name) && !isBareID(record.Name) {
			if ref, ok := parseName(record.Name); ok {
				n.ref, n.full = ref, ref.String()
			}
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b parsed) int {
		switch fullA, fullB := a.full == a.record.Name, b.full == b.record.Name; {
		case fullA == fullB:
			return strings.Compare(a.record.Name, b.record.Name)
		case fullA:
			return -1
		default:
			return 1
		}
	})
	return all
}

// addName notes what a name is: a reference, or one that is none.
func (s *state) addName(img *image, n parsed) {
	name := n.record.Name
	if n.ref == nil {
		if !isDangling(name) && !isBareID(name) {
			img.unparsed = append(img.unparsed, name)
		}
		return
	}
	switch holder := s.refs[n.full]; holder {
	case nil:
		s.refs[n.full] = img
		img.refs = append(img.refs, named{n.ref, []string{name}})
	case img:
		i := slices.IndexFunc(img.refs, func(other named) bool { return other.ref.String() == n.full })
		img.refs[i].names = append(img.refs[i].names, name)
	default: // the reference means another image, and nothing means this name
		img.unparsed = append(img.unparsed, name)
	}
}

// forget notes that a record is gone. The image goes with the last one.
func (s *state) forget(img *image, name string) {
	delete(img.names, name)
	delete(s.names, name)
	for i := range img.refs {
		img.refs[i].names = slices.DeleteFunc(img.refs[i].names, func(n string) bool { return n == name })
	}
	img.refs = slices.DeleteFunc(img.refs, func(n named) bool {
		if len(n.names) == 0 {
			delete(s.refs, n.ref.String())
		}
		return len(n.names) == 0
	})
	img.unparsed = slices.DeleteFunc(img.unparsed, func(n string) bool { return n == name })
	if len(img.names) == 0 {
		delete(s.images, img.id())
	}
}
