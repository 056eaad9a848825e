package imagestore

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/kv"
)

// loadImages reads the records of images. One that cannot be read is made
// again from its configuration, if that and all its layers are there.
func (s *auditor) loadImages(ctx context.Context) error {
	return s.each(ctx, imagePrefix, func(id digest.Digest, entry kv.Entry) error {
		img, err := decodeImage(entry.Key, entry.Value)
		problem := problemOf(err)
		if err == nil && !digestsWellFormed(img) {
			problem = "a digest in it is malformed"
		}
		if problem == "" {
			s.images[id] = &auditImage{Image: img, parent: img.Parent}
			return nil
		}
		again, err := s.makeAgain(ctx, id)
		if err != nil {
			return err
		}
		if again == nil {
			s.goes(id)
			s.unreadable(id, problem, imageGoes)
			return nil
		}
		again.problem = problem
		s.images[id] = again
		return nil
	})
}

// imageGoes is what a repair does with an image that is lost.
const imageGoes = "the image and its references are removed; load it again"

func (s *auditor) unreadable(id digest.Digest, problem, repair string) {
	s.Found(check.Finding{Kind: check.UnreadableRecord, Key: string(imageKey(id)), Problem: problem, Repair: repair}, id)
}

func digestsWellFormed(img Image) bool {
	for _, d := range []digest.Digest{img.Parent, img.Layer} {
		if d != "" && d.Validate() != nil {
			return false
		}
	}
	for _, m := range img.Manifests {
		if m.Digest.Validate() != nil || m.Layer != "" && m.Layer.Validate() != nil || !wellFormed(m.Content) {
			return false
		}
	}
	return wellFormed(img.Content)
}

// goes has the image removed.
func (s *auditor) goes(id digest.Digest) {
	s.Gone[id] = true
	s.Remove(imageKey(id))
}

// makeAgain makes an image from its configuration, or returns nil. The layers
// must be there.
func (s *auditor) makeAgain(ctx context.Context, id digest.Digest) (*auditImage, error) {
	config, err := s.Bytes(ctx, id)
	if err != nil || config == nil {
		return nil, err
	}
	img, links, err := parse(Spec{Config: config})
	if err != nil || img.ID != id || links.top() != "" && s.layers[links.top()] == nil {
		return nil, nil //nolint:nilerr,nilnil // it is no configuration of this image, or there are no layers
	}
	img.Content = []Content{{Digest: id}}
	return &auditImage{Image: img, rewrite: true}, nil
}

// loadChildren reads the entries by which children are found.
func (s *auditor) loadChildren(ctx context.Context) error {
	for entry, err := range s.r.Scan(ctx, []byte(childPrefix)) {
		if err != nil {
			return err
		}
		parent, child, ok := parseChild(entry.Key)
		if !ok {
			s.unknown(entry.Key)
			continue
		}
		s.parents[child] = append(s.parents[child], parent)
		s.listed[string(entry.Key)] = true
	}
	return nil
}

func parseChild(key []byte) (parent, child digest.Digest, ok bool) {
	p, c, ok := bytes.Cut(key[len(childPrefix):], []byte("/"))
	parent, child = digest.Digest(p), digest.Digest(c)
	return parent, child, ok && parent.Validate() == nil && child.Validate() == nil
}

// chooseImages decides which images stay: those of which nothing is lost that
// only loading them again brings back.
func (s *auditor) chooseImages(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.images)) {
		img := s.images[id]
		lacks, err := s.contentLacks(ctx, img.Content)
		for _, chain := range img.Chains() {
			if lacks == "" && err == nil {
				lacks, err = s.layerLacks(ctx, chain)
			}
		}
		if lacks == "" && !s.hasDocument(img) {
			lacks = "the document of the index"
		}
		if err != nil {
			return err
		}
		s.choose(img, lacks)
	}
	return nil
}

// choose keeps an image that lacks nothing.
func (s *auditor) choose(img *auditImage, lacks string) {
	id, remade := img.ID, img.problem != ""
	switch {
	case lacks == "" && remade:
		s.unreadable(id, img.problem, "it is made again from the configuration of the image; when it was last used is lost")
	case remade:
		s.unreadable(id, img.problem, imageGoes)
	case lacks != "":
		s.Found(check.Finding{
			Kind: check.IncompleteImage, Key: string(imageKey(id)),
			Problem: "it needs " + lacks + ", which is lost",
			Repair:  imageGoes,
		}, id)
	}
	if lacks == "" {
		s.Images[id] = true
	} else {
		s.goes(id)
	}
}

// linkParents makes the parents of images and the entries of children agree.
func (s *auditor) linkParents(context.Context) error {
	ids := slices.Sorted(maps.Keys(s.Images))
	for _, id := range ids {
		s.checkParent(s.images[id])
	}
	s.breakCircles(ids)
	for _, id := range ids {
		img := s.images[id]
		img.rewrite = img.rewrite || img.parent != img.Parent
		if img.parent == "" {
			continue
		}
		key := childKey(img.parent, id)
		if !s.listed[string(key)] {
			s.Put(key, nil)
			s.Found(check.Finding{
				Kind: check.MissingEntry, Key: string(key),
				Problem: "the image is not found as a child of its parent, so that the parent could be deleted before it",
				Repair:  "the entry is written",
			}, id)
		}
	}
	for key := range s.listed {
		s.checkChildEntry(key)
	}
	return nil
}

// checkParent makes sure that the parent of the image is there. An image that
// was made again takes its parent from the entries of children.
func (s *auditor) checkParent(img *auditImage) {
	if from := s.parents[img.ID]; img.problem != "" && len(from) == 1 {
		img.Parent, img.parent = from[0], from[0]
	}
	if img.parent == "" || s.Images[img.parent] {
		return
	}
	if !s.Gone[img.parent] {
		s.Found(check.Finding{
			Kind: check.BrokenParent, Key: string(imageKey(img.ID)),
			Problem: "its parent " + img.parent.String() + " is not there",
			Repair:  "the image is left without a parent",
		}, img.ID)
	}
	img.parent = ""
}

// breakCircles takes the parent from the oldest image of each circle: it is
// the one that the others were built from.
func (s *auditor) breakCircles(ids []digest.Digest) {
	done := make(map[digest.Digest]int) // the walk in which an image was met
	for walk, start := range ids {
		at := start
		for at != "" && done[at] == 0 {
			done[at] = walk + 1
			at = s.images[at].parent
		}
		if at != "" && done[at] == walk+1 {
			s.breakCircle(at)
		}
	}
}

// breakCircle breaks the circle that the image is in.
func (s *auditor) breakCircle(in digest.Digest) {
	var circle []digest.Digest
	for at := in; len(circle) == 0 || at != in; at = s.images[at].parent {
		circle = append(circle, at)
	}
	oldest := s.images[slices.MinFunc(circle, func(a, b digest.Digest) int {
		return cmp.Or(s.images[a].Created.Compare(s.images[b].Created), cmp.Compare(a, b))
	})]
	s.Found(check.Finding{
		Kind: check.BrokenParent, Key: string(imageKey(oldest.ID)),
		Problem: "the image is its own ancestor by way of its parent " + oldest.parent.String() + ", so that none of them can be deleted",
		Repair:  "the image, the oldest of the circle, is left without a parent",
	}, circle...)
	oldest.parent = ""
}

// checkChildEntry removes an entry of a child that has another parent, or that
// is not there. It is damage unless it went with what the record said.
func (s *auditor) checkChildEntry(key string) {
	parent, child, _ := parseChild([]byte(key))
	img := s.images[child]
	if s.Images[child] && img.parent == parent {
		return
	}
	s.Remove([]byte(key))
	if s.Gone[child] || img != nil && img.Parent == parent {
		return
	}
	s.Found(check.Finding{
		Kind: check.StrayEntry, Key: key,
		Problem: "it makes " + child.String() + " a child of an image that is not its parent, and keeps that one from being deleted",
		Repair:  "the entry is removed",
	})
}
