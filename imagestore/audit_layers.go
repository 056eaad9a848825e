package imagestore

import (
	"context"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
)

// layerLacks says what is lost of the layer and of those below it; nothing when
// it is whole or there is no layer.
func (s *auditor) layerLacks(ctx context.Context, id digest.Digest) (string, error) {
	if id == "" {
		return "", nil
	}
	l := s.layers[id]
	if l == nil {
		s.noLayer(id)
		return "the record of layer " + id.String(), nil
	}
	if l.asked {
		return l.lacks, nil
	}
	lacks, err := s.contentLacks(ctx, l.Content)
	if lacks == "" && err == nil {
		lacks, err = s.layerLacks(ctx, l.Parent)
	}
	l.lacks, l.asked = lacks, err == nil
	return lacks, err
}

// needed is what is wrong with a missing record.
const needed = "it is not there, but an image or a layer needs it"

// noLayer tells once of a record that something needs.
func (s *auditor) noLayer(id digest.Digest) {
	if s.lostLayer[id] {
		return
	}
	s.lostLayer[id] = true
	s.Found(check.Finding{
		Kind: check.MissingRecord, Key: string(layerKey(id)),
		Problem: needed,
		Repair:  "the images that have this layer are removed",
	})
}

// contentLacks says which of the contents is lost, or nothing.
func (s *auditor) contentLacks(ctx context.Context, contents []Content) (string, error) {
	for _, c := range contents {
		have, err := s.have(ctx, c.Digest)
		if err != nil {
			return "", err
		}
		if !have {
			return "content " + c.Digest.String(), nil
		}
	}
	return "", nil
}

// have reports whether the content is there, as far as is known. Without a
// record the bytes decide.
func (s *auditor) have(ctx context.Context, id digest.Digest) (bool, error) {
	if s.Lost(id) {
		return false, nil
	}
	c := s.contents[id]
	if c == nil {
		c = &auditContent{Content: Content{Digest: id}, missing: true, wrong: needed}
		s.contents[id] = c
	}
	if c.known || c.asked {
		return c.known, nil
	}
	var err error
	c.Size, c.known, err = s.Size(ctx, id)
	c.asked = err == nil
	return c.known, err
}

// countHolders counts the holders of layers and content, and removes what
// nothing holds.
func (s *auditor) countHolders(context.Context) error {
	for id := range s.images {
		s.keepLayers(id)
	}
	for id, img := range s.images {
		s.hold(img.Chains(), img.Content, s.Images[id])
	}
	for _, l := range s.layers {
		s.hold([]digest.Digest{l.Parent}, l.Content, l.stays)
	}
	for _, l := range s.layers {
		s.checkLayer(l)
	}
	for _, c := range s.contents {
		s.checkContent(c)
	}
	s.nameDamaged()
	return nil
}

// nameDamaged tells of the damaged content that something holds, and of the
// images that need it.
func (s *auditor) nameDamaged() {
	if len(s.Damaged) == 0 {
		return
	}
	images := make(map[digest.Digest][]digest.Digest)
	for id, img := range s.images {
		s.needs(img, func(content digest.Digest) {
			if _, damaged := s.Damaged[content]; damaged {
				images[content] = append(images[content], id)
			}
		})
	}
	for content, finding := range s.Damaged {
		switch c := s.contents[content]; {
		case c == nil || c.recorded == 0:
		case s.Lost(content):
			finding.Repair = "the images that need it are removed; load them again"
			s.Found(finding, images[content]...)
		default:
			s.FoundToStay(finding, images[content]...)
		}
	}
}

// needs calls fn for all content of the image and its layers that is recorded.
func (s *auditor) needs(img *auditImage, fn func(content digest.Digest)) {
	for _, c := range img.Content {
		fn(c.Digest)
	}
	for _, chain := range img.Chains() {
		for l := s.layers[chain]; l != nil; l = s.layers[l.Parent] {
			for _, c := range l.Content {
				fn(c.Digest)
			}
		}
	}
}

// keepLayers notes that the layers of an image stay, if it stays.
func (s *auditor) keepLayers(id digest.Digest) {
	if !s.Images[id] {
		return
	}
	for _, at := range s.images[id].Chains() {
		for ; at != "" && !s.layers[at].stays; at = s.layers[at].Parent {
			s.layers[at].stays = true
		}
	}
}

// hold counts one holder of layers and of contents, each of which is listed
// once.
func (s *auditor) hold(layers []digest.Digest, contents []Content, stays bool) {
	for _, id := range layers {
		if l := s.layers[id]; l != nil {
			l.add(stays)
		}
	}
	for _, c := range contents {
		if node := s.contents[c.Digest]; node != nil {
			node.add(stays)
		}
	}
}

func (s *auditor) checkLayer(l *auditLayer) {
	key := layerKey(l.ChainID)
	s.checkTally(key, l.tally, l.Holders)
	if l.staying == 0 {
		s.Remove(key)
	} else if l.staying != l.Holders {
		l.Holders = l.staying
		s.Put(key, encodeLayer(key, l.Layer))
	}
}

func (s *auditor) checkContent(c *auditContent) {
	key := contentKey(c.Digest)
	if c.wrong != "" {
		s.checkUnreadable(key, c)
		return
	}
	s.checkTally(key, c.tally, c.Holders)
	size, differs := s.Sizes[c.Digest]
	if differs && c.recorded > 0 && size != c.Size {
		s.Found(check.Finding{
			Kind: check.WrongSize, Key: string(key),
			Problem: "it says that the content has " + count(c.Size, "byte") + ", but it has " + strconv.FormatInt(size, 10),
			Repair:  "the size is corrected",
		})
	} else {
		size = c.Size
	}
	if c.staying == 0 {
		s.Remove(key)
	} else if c.staying != c.Holders || c.Size != size {
		c.Holders, c.Size = c.staying, size
		s.Put(key, encodeContent(key, c.Content))
	}
}

// checkUnreadable makes the record of content again, if something holds it.
func (s *auditor) checkUnreadable(key []byte, c *auditContent) {
	finding := check.Finding{Kind: check.UnreadableRecord, Key: string(key), Problem: c.wrong}
	if c.missing {
		finding.Kind = check.MissingRecord
	}
	switch {
	case c.staying > 0:
		finding.Repair = "it is made again from the content, which is sound"
		c.Holders = c.staying
		s.Put(key, encodeContent(key, c.Content))
	case c.missing:
		finding.Repair = "the images that need it are removed"
	default:
		finding.Repair = "it is removed, and so are the images that need it"
		s.Remove(key)
	}
	s.Found(finding)
}

// checkTally tells when the recorded number of holders is wrong.
func (s *auditor) checkTally(key []byte, t tally, recorded int) {
	switch t.recorded {
	case 0:
		s.Found(check.Finding{
			Kind: check.Unheld, Key: string(key),
			Problem: "nothing holds it, so it would never be freed",
			Repair:  "it is removed",
		})
	case recorded:
	default:
		s.Found(check.Finding{
			Kind: check.WrongCount, Key: string(key),
			Problem: "it counts " + count(recorded, "holder") + ", but there are " + strconv.Itoa(t.recorded),
			Repair:  "the count is corrected",
		})
	}
}
