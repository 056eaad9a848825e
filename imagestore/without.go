package imagestore

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// Without returns the image that removing these of its manifests would make: the
// index without them. Nothing changes. What the documents say besides stays byte
// for byte. An index in the index that is left without entries goes too.
//
// The error is of class InvalidArgument when the image is no index, or would be
// left without manifests, and of class NotFound when there is no such image or
// manifest.
func (s *Store) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (Image, error) {
	_, next, _, err := s.without(ctx, id, manifests)
	return next, err
}

// Replace puts that image in the place of the index: its parent and its children
// are the new image's from then on. References are another store's. Where there
// is an image of the new ID already, that one stays as it is, but for the
// children that it gets. It returns the new image and what went; content that
// went is marked as garbage where marks are kept. Without a manifest to take out
// nothing changes. The errors are those of [Store.Without].
func (s *Store) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (Image, Removed, error) {
	if err := s.writable(); err != nil {
		return Image{}, Removed{}, err
	}
	old, next, docs, err := s.without(ctx, id, manifests)
	if err != nil || next.ID == id {
		return next, Removed{}, err
	}
	if err := s.unlink(ctx, old); err != nil {
		return Image{}, Removed{}, err
	}
	if err := s.dropImage(ctx, id); err != nil {
		return Image{}, Removed{}, err
	}
	gone := old
	if docs != nil { // else the new image is there and has its own hold of all
		gone = old.Minus(next)
		if err := s.putDocuments(ctx, next.ID, docs); err != nil {
			return Image{}, Removed{}, err
		}
		if err := s.putLinked(ctx, next, docs...); err != nil {
			return Image{}, Removed{}, err
		}
	}
	if err := s.moveChildren(ctx, id, next.ID); err != nil {
		return Image{}, Removed{}, err
	}
	removed, err := s.releaseImage(ctx, gone)
	if err != nil {
		return Image{}, Removed{}, err
	}
	next, err = s.Get(ctx, next.ID)
	return next, removed, err
}

// without returns the index, and what it becomes with its documents; these are
// nil when there is such an image already.
func (s *Store) without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (old, next Image, docs []Document, err error) {
	if old, err = s.Get(ctx, id); err != nil {
		return old, next, nil, err
	}
	next = old.clone()
	if next.Manifests, err = old.left(manifests); err != nil {
		return old, next, nil, err
	}
	if docs, err = s.documents(ctx, id); err != nil {
		return old, next, nil, err
	}
	if docs, err = rewrite(id, docs, manifests); err != nil {
		return old, next, nil, err
	}
	next.ID, next.Indexes = docs[0].Digest, nil
	for _, doc := range docs[1:] {
		next.Indexes = append(next.Indexes, doc.Digest)
	}
	slices.Sort(next.Indexes)
	there, err := s.Get(ctx, next.ID)
	if err == nil || !errors.Is(err, class.NotFound) {
		return old, there, nil, err
	}
	next.Content = old.contentOf(next.Manifests)
	next.Size, err = s.sizeOf(ctx, next)
	return old, next, docs, err
}

// left returns the manifests without those listed.
func (img Image) left(without []digest.Digest) ([]Manifest, error) {
	if img.Manifests == nil {
		return nil, class.Errorf(class.InvalidArgument, "image %s is no index", img.ID)
	}
	for _, dgst := range without {
		if !slices.ContainsFunc(img.Manifests, func(m Manifest) bool { return m.Digest == dgst }) {
			return nil, class.Errorf(class.NotFound, "index %s has no manifest %s", img.ID, dgst)
		}
	}
	var left []Manifest
	for _, m := range img.Manifests {
		if !slices.Contains(without, m.Digest) {
			left = append(left, m)
		}
	}
	if len(left) == 0 {
		return nil, class.Errorf(class.InvalidArgument, "index %s would have no manifest left", img.ID)
	}
	return left, nil
}

// contentOf returns the content of the index that these manifests have.
func (img Image) contentOf(manifests []Manifest) []Content {
	var own []Content
	for _, c := range img.Content {
		if slices.ContainsFunc(manifests, func(m Manifest) bool { return contains(m.Content, c.Digest) }) {
			own = append(own, c)
		}
	}
	return own
}

// Minus is what goes when the other image takes the place of this one: its
// content that the other does not hold, and its manifests whose layers the other
// does not hold. The rest of it is empty.
func (img Image) Minus(other Image) Image {
	var gone Image
	for _, c := range img.Content {
		if !contains(other.Content, c.Digest) {
			gone.Content = append(gone.Content, c)
		}
	}
	kept := other.Chains()
	for _, m := range img.Manifests {
		if !slices.Contains(kept, m.Layer) {
			gone.Manifests = append(gone.Manifests, m)
		}
	}
	return gone
}

// sizeOf is the number of bytes of the image's content and layers, each piece
// once.
func (s *Store) sizeOf(ctx context.Context, img Image) (int64, error) {
	all := slices.Clone(img.Content)
	for _, chain := range img.Chains() {
		for chain != "" {
			layer, err := s.layer(ctx, chain)
			if err != nil {
				return 0, err
			}
			all = append(all, layer.Content...)
			chain = layer.Parent
		}
	}
	return s.size(ctx, all)
}

// moveChildren gives the children of an image another parent. The record of a
// child that is unreadable or missing stays as it is.
func (s *Store) moveChildren(ctx context.Context, from, to digest.Digest) error {
	children, err := s.Children(ctx, from)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := s.tx.Delete(ctx, childKey(from, child)); err != nil {
			return err
		}
		img, err := s.image(ctx, child)
		switch {
		case unreadable(err), isMissing(err):
			continue
		case err != nil:
			return err
		}
		img.Parent = to
		if child == to || s.checkParent(ctx, child, to) != nil {
			img.Parent = ""
		}
		if err := s.putChild(ctx, img); err != nil {
			return err
		}
	}
	return nil
}

// rewrite returns the documents of the index without some manifests, the
// outermost first.
func rewrite(root digest.Digest, docs []Document, without []digest.Digest) ([]Document, error) {
	there := make(map[digest.Digest][]byte, len(docs))
	for _, doc := range docs {
		there[doc.Digest] = doc.Data
	}
	if _, ok := there[root]; !ok {
		return nil, missing(root, indexKey(root, root))
	}
	left, err := indexdoc.Without(root, there, without)
	if err != nil {
		return nil, &UnreadableError{ID: root, Err: err}
	}
	if len(left) == 0 {
		return nil, class.Errorf(class.InvalidArgument, "index %s would have no manifest left", root)
	}
	made := make([]Document, 0, len(left))
	for _, doc := range left {
		made = append(made, Document{Digest: doc.Digest, Data: doc.Data})
	}
	return made, nil
}
