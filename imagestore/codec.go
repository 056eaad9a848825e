package imagestore

import (
	"errors"
	"math"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
)

// The fields of a record are written and read in one order, so the two halves
// of each pair below mirror each other. A record keeps of its content the
// digests alone; sizes and holders are in the records of the content.

func encodeImage(key []byte, img Image) []byte {
	w := record.NewWriter()
	w.Digest(img.Parent)
	w.Time(img.Created)
	w.Time(img.LastUsed)
	encodePlatform(w, img.Platform)
	w.Map(img.Labels)
	w.Digest(img.Layer)
	w.Int(img.Size)
	encodeContents(w, img.Content)
	if !img.linked() {
		return w.Seal(key)
	}
	w.Digest(img.Manifest)
	w.Digest(img.Subject)
	w.Count(len(img.Manifests))
	for _, m := range img.Manifests {
		encodeManifest(w, m)
	}
	return w.SealAs(key, linkedVersion)
}

// linkedVersion is the format version of the record of an image that has
// manifests or a subject. Other records, and those of images without, are as
// they were, so that an older program can go on with them.
const linkedVersion = 2

func decodeImage(key, value []byte) (Image, error) {
	return readImage(idOf(key, imagePrefix), key, value)
}

func readImage(id digest.Digest, key, value []byte) (Image, error) {
	r := record.ReadUpTo(key, value, linkedVersion)
	img := Image{
		ID:       id,
		Parent:   r.Digest(),
		Created:  r.Time(),
		LastUsed: r.Time(),
		Platform: decodePlatform(&r),
		Labels:   r.Map(),
		Layer:    r.Digest(),
		Size:     r.Int(),
		Content:  decodeContents(&r),
	}
	if r.Version() == linkedVersion {
		img.Manifest, img.Subject = r.Digest(), r.Digest()
		for range r.Count() {
			img.Manifests = append(img.Manifests, decodeManifest(&r))
		}
	}
	if err := r.Close(); err != nil {
		return Image{}, &UnreadableError{ID: img.ID, Err: err}
	}
	return img, nil
}

func encodeManifest(w *record.Writer, m Manifest) {
	w.Digest(m.Digest)
	encodePlatform(w, m.Platform)
	w.Digest(m.Layer)
	w.Digest(m.Subject)
	encodeContents(w, m.Content)
}

func decodeManifest(r *record.Reader) Manifest {
	return Manifest{
		Digest:   r.Digest(),
		Platform: decodePlatform(r),
		Layer:    r.Digest(),
		Subject:  r.Digest(),
		Content:  decodeContents(r),
	}
}

func encodePlatform(w *record.Writer, p ocispec.Platform) {
	w.String(p.OS)
	w.String(p.Architecture)
	w.String(p.Variant)
	w.String(p.OSVersion)
	w.Strings(p.OSFeatures)
}

func decodePlatform(r *record.Reader) ocispec.Platform {
	return ocispec.Platform{
		OS:           r.String(),
		Architecture: r.String(),
		Variant:      r.String(),
		OSVersion:    r.String(),
		OSFeatures:   r.Strings(),
	}
}

func encodeLayer(key []byte, l Layer) []byte {
	w := record.NewWriter()
	w.Count(l.Holders)
	w.Digest(l.DiffID)
	w.Digest(l.Parent)
	encodeContents(w, l.Content)
	return w.Seal(key)
}

func decodeLayer(key, value []byte) (Layer, error) {
	return readLayer(idOf(key, layerPrefix), key, value)
}

func readLayer(chainID digest.Digest, key, value []byte) (Layer, error) {
	r := record.Read(key, value)
	l := Layer{
		ChainID: chainID,
		Holders: holders(&r),
		DiffID:  r.Digest(),
		Parent:  r.Digest(),
		Content: decodeContents(&r),
	}
	if err := r.Close(); err != nil {
		return Layer{}, &UnreadableError{ID: l.ChainID, Err: err}
	}
	return l, nil
}

func encodeContent(key []byte, c Content) []byte {
	w := record.NewWriter()
	w.Count(c.Holders)
	w.Int(c.Size)
	return w.Seal(key)
}

func decodeContent(key, value []byte) (Content, error) {
	return readContent(idOf(key, contentPrefix), key, value)
}

func readContent(dgst digest.Digest, key, value []byte) (Content, error) {
	r := record.Read(key, value)
	c := Content{
		Digest:  dgst,
		Holders: holders(&r),
		Size:    r.Int(),
	}
	if err := r.Close(); err != nil {
		return Content{}, &UnreadableError{ID: c.Digest, Err: err}
	}
	return c, nil
}

func encodeContents(w *record.Writer, contents []Content) {
	w.Count(len(contents))
	for _, c := range contents {
		w.Digest(c.Digest)
	}
}

func decodeContents(r *record.Reader) []Content {
	n := r.Count()
	if n == 0 {
		return nil
	}
	contents := make([]Content, n)
	for i := range contents {
		contents[i].Digest = r.Digest()
	}
	return contents
}

// holders reads a number of holders.
func holders(r *record.Reader) int {
	return int(min(r.Uint(), math.MaxInt32))
}

// unreadable reports whether err is about a record that cannot be understood.
func unreadable(err error) bool {
	if err == nil {
		return false
	}
	var u *UnreadableError
	return errors.As(err, &u)
}

// isMissing reports whether err says that there is no such record.
func isMissing(err error) bool { return errors.Is(err, class.NotFound) }

// missing is the error for a record that another one names and that is not
// there.
func missing(id digest.Digest, key []byte) error {
	return &UnreadableError{ID: id, Err: record.Damaged(key, "no record")}
}
