package imagestore

import (
	"context"
	"errors"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/internal/audit"
	"github.com/jettison-oci/jettison/kv"
)

// Audit looks at all that r has of images, layers and content, for
// kvstore.Check and kvstore.Repair, and tells a what is wrong with it, which
// images are left, and what makes it sound (rules C1 and C3 to C6). Memory
// grows with the number of records.
//
// What is recorded once is believed where it can be read: images, layers,
// content, and parents. All else is counted and listed anew from that.
func Audit(ctx context.Context, r kv.Reader, a *audit.Audit) error {
	s := &auditor{
		Audit:     a,
		r:         r,
		images:    make(map[digest.Digest]*auditImage),
		layers:    make(map[digest.Digest]*auditLayer),
		contents:  make(map[digest.Digest]*auditContent),
		parents:   make(map[digest.Digest][]digest.Digest),
		listed:    make(map[string]bool),
		lostLayer: make(map[digest.Digest]bool),
		documents: make(map[digest.Digest][]Document),
	}
	for _, step := range []func(context.Context) error{
		s.loadContents, s.loadLayers, s.loadDocuments, s.loadImages, s.findManifests, s.loadChildren,
		s.chooseImages, s.linkParents, s.checkLinks, s.countHolders, s.checkSizes, s.checkMarks,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// An auditor is what an audit knows. Records that cannot be read are in none
// of its maps, but for content, of which more than the record may be known.
type auditor struct {
	*audit.Audit
	r        kv.Reader
	images   map[digest.Digest]*auditImage
	layers   map[digest.Digest]*auditLayer
	contents map[digest.Digest]*auditContent
	// parents has the parents of each image as the entries of children have them.
	parents map[digest.Digest][]digest.Digest
	// listed has the keys of the entries of children.
	listed map[string]bool
	// lostLayer has the layers of which a finding has told.
	lostLayer map[digest.Digest]bool
	// documents has the documents of each index that can be read.
	documents map[digest.Digest][]Document
}

// An auditImage is an image as it is recorded, or made again.
type auditImage struct {
	Image
	// parent is the one that the repaired record has.
	parent digest.Digest
	// problem says why it is made again; empty for one that can be read.
	problem string
	// rewrite says that the record is written.
	rewrite bool
}

// tally counts what holds something: by all records that can be read, and by
// those alone that stay.
type tally struct{ recorded, staying int }

func (t *tally) add(stays bool) {
	t.recorded++
	if stays {
		t.staying++
	}
}

// An auditLayer is a layer that can be read.
type auditLayer struct {
	Layer
	tally
	// lacks says what is lost of it and of those below; it is known when asked.
	lacks string
	asked bool
	// stays says that an image needs it.
	stays bool
}

// An auditContent is what is known of content.
type auditContent struct {
	Content
	tally
	// known says that its size is known, asked that its bytes were looked for.
	known, asked bool
	// missing says that it has no record.
	missing bool
	// wrong says what is wrong with its record, or is empty.
	wrong string
}

// each calls fn for every entry whose key is prefix and a digest. Other keys
// are no keys of a store.
func (s *auditor) each(ctx context.Context, prefix string, fn func(id digest.Digest, entry kv.Entry) error) error {
	for entry, err := range s.r.Scan(ctx, []byte(prefix)) {
		if err != nil {
			return err
		}
		id := idOf(entry.Key, prefix)
		if id.Validate() != nil {
			s.unknown(entry.Key)
			continue
		}
		if err := fn(id, entry); err != nil {
			return err
		}
	}
	return nil
}

// unknown tells of a key that no store writes.
func (s *auditor) unknown(key []byte) {
	s.Found(check.Finding{
		Kind: check.UnknownKey, Key: string(key),
		Problem: "there is no digest where there should be one, so it means nothing",
		Repair:  "the entry is removed",
	})
	s.Remove(key)
}

// loadContents reads the records of content.
func (s *auditor) loadContents(ctx context.Context) error {
	return s.each(ctx, contentPrefix, func(id digest.Digest, entry kv.Entry) error {
		c, err := decodeContent(entry.Key, entry.Value)
		wrong := problemOf(err)
		if c.Size < 0 {
			wrong = "its size is negative"
		}
		c.Digest = id
		s.contents[id] = &auditContent{Content: c, known: wrong == "", wrong: wrong}
		return nil
	})
}

// loadLayers reads the records of layers. One that is not the layer that its
// key names is as good as unreadable; so no chain of layers is a circle.
func (s *auditor) loadLayers(ctx context.Context) error {
	return s.each(ctx, layerPrefix, func(id digest.Digest, entry kv.Entry) error {
		l, err := decodeLayer(entry.Key, entry.Value)
		problem := problemOf(err)
		if err == nil && chainOf(l) != id {
			problem = "it describes another layer than its key names"
		}
		if problem == "" {
			s.layers[id] = &auditLayer{Layer: l}
			return nil
		}
		s.lostLayer[id] = true
		s.Remove(entry.Key)
		s.Found(check.Finding{
			Kind: check.UnreadableRecord, Key: string(entry.Key),
			Problem: problem + "; images that have this layer are incomplete",
			Repair:  "the record is removed, and so are those images",
		})
		return nil
	})
}

// chainOf computes the chain ID of a layer, or returns none for one whose
// digests are malformed.
func chainOf(l Layer) digest.Digest {
	if l.DiffID.Validate() != nil || !wellFormed(l.Content) {
		return ""
	}
	if l.Parent == "" {
		return l.DiffID
	}
	return digest.FromString(l.Parent.String() + " " + l.DiffID.String())
}

// wellFormed reports whether all contents have digests.
func wellFormed(contents []Content) bool {
	for _, c := range contents {
		if c.Digest.Validate() != nil {
			return false
		}
	}
	return true
}

// problemOf says what is wrong with a record, or nothing if that is nothing.
func problemOf(err error) string {
	var u *UnreadableError
	if errors.As(err, &u) {
		err = u.Err
	}
	return audit.Problem(err)
}

// checkSizes compares the size of each image with that of its content.
func (s *auditor) checkSizes(context.Context) error {
	for id, img := range s.images {
		if !s.Images[id] {
			continue
		}
		if size := s.sizeOf(img); size != img.Size {
			if img.problem == "" {
				s.Found(check.Finding{
					Kind: check.WrongSize, Key: string(imageKey(id)),
					Problem: "it says that the image has " + count(img.Size, "byte") + ", but its content has " + strconv.FormatInt(size, 10),
					Repair:  "the size is corrected",
				}, id)
			}
			img.Size, img.rewrite = size, true
		}
		if img.rewrite {
			img.Parent = img.parent
			key := imageKey(id)
			s.Put(key, encodeImage(key, img.Image))
		}
	}
	return nil
}

// sizeOf is the number of bytes of an image that stays, each piece of content
// counted once.
func (s *auditor) sizeOf(img *auditImage) (n int64) {
	seen := make(map[digest.Digest]bool)
	add := func(contents []Content) {
		for _, c := range contents {
			if !seen[c.Digest] {
				seen[c.Digest] = true
				n += s.contents[c.Digest].Size
			}
		}
	}
	add(img.Content)
	for _, id := range img.Chains() {
		for ; id != ""; id = s.layers[id].Parent {
			add(s.layers[id].Content)
		}
	}
	return n
}

// checkMarks tells of marks of garbage on what is none: they would be cleared
// without effect, or never.
func (s *auditor) checkMarks(ctx context.Context) error {
	return s.each(ctx, garbagePrefix, func(id digest.Digest, entry kv.Entry) error {
		if c := s.contents[id]; c != nil && c.staying > 0 {
			s.Remove(entry.Key)
			s.Found(check.Finding{
				Kind: check.StrayMark, Key: string(entry.Key),
				Problem: "the content is marked for removal although something holds it",
				Repair:  "the mark is removed",
			})
		}
		return nil
	})
}

// count is a number with its noun.
func count[N int | int64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun
}

// Prefixes returns how the keys of this package begin.
func Prefixes() []string {
	return []string{imagePrefix, childPrefix, layerPrefix, contentPrefix, garbagePrefix, manifestPrefix, subjectPrefix, indexPrefix}
}
