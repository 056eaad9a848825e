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
	// records are those that name the target, sorted by name.
	records []*images.Image
	// refs are the references among them, sorted, and the names of each: more than
	// one when they differ only in how they are written.
	refs []named
	// unparsed are names that are no reference, sorted.
	unparsed []string
	// parent is from what the records say that it was built, or empty.
	parent digest.Digest
}

// A named is a reference with the names of the records that are it.
type named struct {
	ref   reference.Named
	full  string // of the reference
	names []string
}

func (img *image) id() digest.Digest { return img.target.Digest }

// namesOf are the records of a reference.
func (img *image) namesOf(ref reference.Named) []string {
	text := full(ref)
	for _, n := range img.refs {
		if n.full == text {
			return slices.Clone(n.names)
		}
	}
	return nil
}

// pinned reports whether a record is protected as Kubernetes does it.
func (img *image) pinned() bool {
	for _, record := range img.records {
		if record.Labels[pinnedLabel] == pinnedValue {
			return true
		}
	}
	return false
}

// lastsWithout reports whether another record than these keeps the image, and does
// not go by itself.
func (img *image) lastsWithout(names []string) bool {
	for _, record := range img.records {
		if _, expires := record.Labels[gcExpire]; !expires && !slices.Contains(names, record.Name) {
			return true
		}
	}
	return false
}

// sorted are the names in order.
func (img *image) sorted() []string {
	names := make([]string, 0, len(img.records))
	for _, record := range img.records {
		names = append(names, record.Name)
	}
	return names
}

// isDangling reports whether a name is that of a record without a reference.
func isDangling(name string) bool { return strings.HasPrefix(name, danglingPrefix) }

// isBareID reports whether a name is the ID of an image, as Kubernetes gives it:
// the digest of its configuration.
func isBareID(name string) bool {
	algorithm, _, _ := strings.Cut(name, ":")
	if !digest.Algorithm(algorithm).Available() { // a look-up that spares most names an expression
		return false
	}
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
	s.images = make(map[digest.Digest]*image, len(records))
	s.refs = make(map[string]*image, len(records))
	s.names = make(map[string]*image, len(records))
	s.children = make(map[digest.Digest][]digest.Digest)
	for i := range records {
		s.addRecord(&records[i])
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
		slices.SortFunc(img.refs, func(a, b named) int { return strings.Compare(a.full, b.full) })
		slices.Sort(img.unparsed)
	}
}

// addRecord notes that a record names its target.
func (s *state) addRecord(record *images.Image) {
	img := s.images[record.Target.Digest]
	if img == nil {
		img = &image{target: record.Target}
		s.images[img.id()] = img
	}
	s.names[record.Name] = img
	i, known := slices.BinarySearchFunc(img.records, record.Name, func(r *images.Image, name string) int {
		return strings.Compare(r.Name, name)
	})
	if known {
		img.records[i] = record
		return
	}
	img.records = slices.Insert(img.records, i, record)
}

// A parsed is a record with what its name is.
type parsed struct {
	record *images.Image
	ref    reference.Named // nil when the name is no reference
	full   string          // of the reference
	keeps  bool            // the name is none, and keeps the image all the same
}

// canonicalFirst puts the records whose name is the full form of its reference
// before those that are written otherwise, each sorted by name. Of two that mean
// the same, the first has the reference.
func canonicalFirst(records []images.Image) []parsed {
	all := make([]parsed, 0, len(records))
	for i := range records {
		n := parsed{record: &records[i]}
		n.keeps = isDangling(n.record.Name) || isBareID(n.record.Name)
		if !n.keeps {
			if ref, ok := parseName(n.record.Name); ok {
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
		if !n.keeps {
			img.unparsed = append(img.unparsed, name)
		}
		return
	}
	switch holder := s.refs[n.full]; holder {
	case nil:
		s.refs[n.full] = img
		img.refs = append(img.refs, named{n.ref, n.full, []string{name}})
	case img:
		i := slices.IndexFunc(img.refs, func(other named) bool { return other.full == n.full })
		img.refs[i].names = append(img.refs[i].names, name)
	default: // the reference means another image, and nothing means this name
		img.unparsed = append(img.unparsed, name)
	}
}

// forget notes that a record is gone. The image goes with the last one.
func (s *state) forget(img *image, name string) {
	img.records = slices.DeleteFunc(img.records, func(r *images.Image) bool { return r.Name == name })
	delete(s.names, name)
	for i := range img.refs {
		img.refs[i].names = slices.DeleteFunc(img.refs[i].names, func(n string) bool { return n == name })
	}
	img.refs = slices.DeleteFunc(img.refs, func(n named) bool {
		if len(n.names) == 0 {
			delete(s.refs, n.full)
		}
		return len(n.names) == 0
	})
	img.unparsed = slices.DeleteFunc(img.unparsed, func(n string) bool { return n == name })
	if len(img.records) == 0 {
		delete(s.images, img.id())
	}
}
