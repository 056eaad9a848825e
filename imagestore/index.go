package imagestore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// MaxNesting is how many indexes may lie in each other, the outermost counted
// (rule M1).
const MaxNesting = 8

// attestedAnnotation is how BuildKit says which manifest of an index an
// attestation is about.
const attestedAnnotation = "vnd.docker.reference.digest"

// An IndexSpec says what index to make.
type IndexSpec struct {
	// Documents are the index, which comes first, and those that lie in it. One
	// that is not given is listed and lacking, as a manifest may be.
	Documents []Document
	// Manifests are those that there are, each as the image that it would be by
	// itself; Parent is ignored. Their order does not matter.
	Manifests []Spec
}

// CreateIndex makes an image of an index and returns its record, as
// [Store.Get] would (rule M1). Its ID is the digest of the index. It takes a hold
// of the layers and the content of the manifests, of what several have once.
//
// A manifest of an index cannot change, so where the store has one of its layers
// with other content, compressed in another way, the content that it names is the
// index's own too.
//
// It was created when its annotation says so, or else with the newest of its
// images, and has the labels that all of its images have.
//
// An index that is there stays as it is, but gets of its manifests those that it
// was lacking. The error is of class InvalidArgument when a document is malformed,
// lists nothing, or nests deeper than [MaxNesting]; the others are those of
// [Store.Create].
func (s *Store) CreateIndex(ctx context.Context, spec IndexSpec) (Image, error) {
	if err := s.writable(); err != nil {
		return Image{}, err
	}
	f, img, err := flatten(spec, func(chainID digest.Digest) ([]Content, error) {
		l, err := s.layer(ctx, chainID)
		if isMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return l.Content, nil
	})
	if err != nil {
		return Image{}, err
	}
	old, err := s.Get(ctx, img.ID)
	switch {
	case errors.Is(err, class.NotFound):
		return s.insertIndex(ctx, img, f)
	case err != nil || !old.lacks(img):
		return old, err
	}
	old.take(img)
	return s.insertIndex(ctx, old, f)
}

// lacks reports whether the other record of the index has more of it.
func (img Image) lacks(other Image) bool {
	for i, m := range img.Manifests {
		if len(m.Content) < len(other.Manifests[i].Content) {
			return true
		}
	}
	return false
}

// take completes the manifests by those of another record of the index.
func (img *Image) take(other Image) {
	for i, m := range img.Manifests {
		if len(m.Content) < len(other.Manifests[i].Content) {
			img.Manifests[i] = other.Manifests[i]
		}
	}
}

// insertIndex writes an index, and holds what it does not hold yet.
func (s *Store) insertIndex(ctx context.Context, img Image, f *flattened) (Image, error) {
	before := img.heldBefore()
	var wanted []ocispec.Descriptor
	for _, part := range f.parts {
		for _, c := range part.content {
			if !contains(img.Content, c.Digest) {
				wanted = append(wanted, c)
			}
		}
		top := part.links.top()
		if top == "" || before[top] {
			continue
		}
		before[top] = true
		if _, err := s.holdChain(ctx, part.links); err != nil {
			return Image{}, err
		}
	}
	own, err := s.hold(ctx, wanted...)
	if err != nil {
		return Image{}, err
	}
	img.Content = append(img.Content, own...)
	if img.Size, err = s.sizeOf(ctx, img); err != nil {
		return Image{}, err
	}
	if err := s.putDocuments(ctx, img.ID, f.order); err != nil {
		return Image{}, err
	}
	if err := s.putLinked(ctx, img, f.order...); err != nil {
		return Image{}, err
	}
	return s.withContent(ctx, img)
}

// heldBefore are the topmost layers that the record of an index holds already:
// those of manifests that the store has and that are not new.
func (img Image) heldBefore() map[digest.Digest]bool {
	held := make(map[digest.Digest]bool)
	for _, m := range img.Manifests {
		if m.Layer != "" && len(m.Content) > 0 && contains(img.Content, m.Content[0].Digest) {
			held[m.Layer] = true
		}
	}
	return held
}

// A part is a manifest of an index with what it brings.
type part struct {
	image   Image // as it would be by itself; zero when it is lacking
	links   chain
	content []ocispec.Descriptor
}

// flattened is an index being read: its manifests, and those of the indexes in
// it, in one line.
type flattened struct {
	docs      map[digest.Digest]ocispec.Index
	order     []Document
	specs     map[digest.Digest]part
	seen      map[digest.Digest]bool
	manifests []Manifest
	parts     []part
	// stored returns the content of a layer that is there, and forms has that of
	// the others.
	stored func(chainID digest.Digest) ([]Content, error)
	forms  map[digest.Digest]digest.Digest
}

func flatten(spec IndexSpec, stored func(chainID digest.Digest) ([]Content, error)) (*flattened, Image, error) {
	f := &flattened{
		docs: make(map[digest.Digest]ocispec.Index), specs: make(map[digest.Digest]part), seen: make(map[digest.Digest]bool),
		stored: stored, forms: make(map[digest.Digest]digest.Digest),
	}
	if len(spec.Documents) == 0 {
		return nil, Image{}, class.Errorf(class.InvalidArgument, "there is no index")
	}
	for _, doc := range spec.Documents {
		if err := f.addDocument(doc); err != nil {
			return nil, Image{}, err
		}
	}
	for _, m := range spec.Manifests {
		if err := f.addSpec(m); err != nil {
			return nil, Image{}, err
		}
	}
	root := f.order[0].Digest
	if err := f.walk(root, 1); err != nil {
		return nil, Image{}, err
	}
	if len(f.manifests) == 0 {
		return nil, Image{}, class.Errorf(class.InvalidArgument, "index %s lists nothing", root)
	}
	about, err := newHead(root, f.docs[root].Subject, f.docs[root].Annotations)
	if err != nil {
		return nil, Image{}, err
	}
	img := about.artifact("")
	img.Manifests = f.manifests
	f.describe(&img)
	return f, img, nil
}

func (f *flattened) addDocument(given Document) error {
	doc, err := given.named()
	if err != nil {
		return err
	}
	var index ocispec.Index
	if err := json.Unmarshal(doc.Data, &index); err != nil {
		return class.Errorf(class.InvalidArgument, "index %s: %w", doc.Digest, err)
	}
	if err := checkDescriptors(index.Manifests); err != nil {
		return class.Errorf(class.InvalidArgument, "index %s: %w", doc.Digest, err)
	}
	if _, err := indexdoc.Entries(doc.Data); err != nil { // it could not be written anew
		return class.Errorf(class.InvalidArgument, "index %s: %w", doc.Digest, err)
	}
	if _, again := f.docs[doc.Digest]; !again {
		f.docs[doc.Digest] = index
		f.order = append(f.order, doc)
	}
	return nil
}

func (f *flattened) addSpec(spec Spec) error {
	img, links, err := parse(spec)
	if err != nil {
		return err
	}
	id := img.Manifest
	if spec.Config == nil {
		id = img.ID
	}
	if id == "" {
		return class.Errorf(class.InvalidArgument, "image %s of an index comes without its manifest", img.ID)
	}
	f.specs[id] = part{image: img, links: links, content: slices.Clip(spec.Content)}
	return nil
}

// otherForm returns the content of a layer, if the layer has or gets another.
func (f *flattened) otherForm(link chainLink) ([]ocispec.Descriptor, error) {
	if len(link.content) == 0 {
		return nil, nil
	}
	chainID, own := link.layer.ChainID, link.content[0].Digest
	form, known := f.forms[chainID]
	if !known {
		stored, err := f.stored(chainID)
		if err != nil {
			return nil, err
		}
		form = own
		if len(stored) > 0 {
			form = stored[0].Digest
		}
		f.forms[chainID] = form
	}
	if form == own {
		return nil, nil
	}
	return link.content, nil
}

// walk takes the entries of an index, each digest once.
func (f *flattened) walk(index digest.Digest, depth int) error {
	if depth > MaxNesting {
		return class.Errorf(class.InvalidArgument, "more than %d indexes lie in each other", MaxNesting)
	}
	f.seen[index] = true
	for _, desc := range f.docs[index].Manifests {
		if f.seen[desc.Digest] {
			continue
		}
		f.seen[desc.Digest] = true
		if _, nested := f.docs[desc.Digest]; nested {
			if err := f.walk(desc.Digest, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := f.take(desc); err != nil {
			return err
		}
	}
	return nil
}

// take adds the manifest of an entry, and what it brings.
func (f *flattened) take(desc ocispec.Descriptor) error {
	part, there := f.specs[desc.Digest]
	for _, link := range part.links {
		other, err := f.otherForm(link)
		if err != nil {
			return err
		}
		part.content = append(part.content, other...)
	}
	m := Manifest{Digest: desc.Digest, Subject: attested(desc), Platform: part.image.Platform, Layer: part.links.top()}
	if desc.Platform != nil {
		m.Platform = *desc.Platform
	}
	seen := make(map[digest.Digest]bool)
	for _, c := range part.content {
		if !seen[c.Digest] {
			m.Content = append(m.Content, Content{Digest: c.Digest})
		}
		seen[c.Digest] = true
	}
	f.manifests = append(f.manifests, m)
	if there {
		f.parts = append(f.parts, part)
	}
	return nil
}

// attested is the digest of the manifest that an entry is about, or empty.
func attested(desc ocispec.Descriptor) digest.Digest {
	about := digest.Digest(desc.Annotations[attestedAnnotation])
	if about.Validate() != nil {
		return ""
	}
	return about
}

// describe gives the index what its images say together.
func (f *flattened) describe(img *Image) {
	shared := indexdoc.NewShared(img.Created)
	for _, part := range f.parts {
		if part.image.Manifest != "" { // else an artifact
			shared.Add(part.image.Platform.OS, part.image.Created, part.image.Labels)
		}
	}
	img.Created, img.Labels = shared.Created, shared.Labels
}
