package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/platform"
)

// An image is one that was found in the archive and not yet stored.
type image struct {
	id      digest.Digest
	config  ocispec.Image
	content []blob // the configuration, then whatever else there is
	layers  []layer
	names   nameList
	parent  digest.Digest // as the archive says, later only if it holds

	manifest imagestore.Document // zero for one that is no OCI image
	artifact *artifact           // nil for an image
	index    *index              // nil for an image of one platform
}

// An index is what there is of an image for several platforms.
type index struct {
	documents []imagestore.Document // its own first
	parts     []*image
	platforms []ocispec.Platform // of the parts that are images
}

// parts are the image itself, or those of an index.
func (img *image) parts() []*image {
	if img.index != nil {
		return img.index.parts
	}
	return []*image{img}
}

// A blob is a document that the store is to keep as it is.
type blob struct {
	entry string
	desc  ocispec.Descriptor
	data  []byte
}

// A layer is where the archive keeps one. Where the digest of desc is empty,
// only diffID says what it must be.
type layer struct {
	entry  string
	by     string // the document that names it
	desc   ocispec.Descriptor
	diffID digest.Digest
}

// readImages reads the documents of the archive and finds what images it has.
func (l *loader) readImages(ctx context.Context) error {
	var err error
	switch _, packed := l.src.(*archive); {
	case has(l.src, ocispec.ImageLayoutFile):
		err = l.readLayout(ctx)
	case !packed && has(l.src, flatVersion) && has(l.src, flatManifest):
		err = l.readFlat(ctx)
	case !packed:
		err = l.wrap("", errors.New("is no OCI image layout, it has no file oci-layout; nor one of skopeo's dir:, with manifest.json and version"))
	case has(l.src, dockerManifest):
		err = l.readDocker(ctx)
	case has(l.src, "repositories"):
		err = l.wrap("", errors.New("is a docker-archive from before Docker 1.10, which has no manifest.json"))
	default:
		err = l.wrap("", errors.New("holds no images: there is neither manifest.json (docker-archive) nor oci-layout (OCI archive)"))
	}
	if err == nil && len(l.images) == 0 {
		err = l.wrap("", errors.New("holds no image"+l.whySkipped()))
	}
	l.settleNames()
	return err
}

// whySkipped says what was found instead of an image.
func (l *loader) whySkipped() string {
	if len(l.skipped) == 0 {
		return ""
	}
	return fmt.Sprintf(", only %d of other kinds, such as: %s", len(l.skipped), l.skipped[0].Reason)
}

// addImage takes the image with this configuration. One that was found before
// is returned instead; only its names are of interest then.
func (l *loader) addImage(config blob) (*image, error) {
	if old := l.find(digest.FromBytes(config.data)); old != nil {
		return old, nil
	}
	img, err := l.newImage(config)
	if err != nil {
		return nil, err
	}
	if err := l.checkPlatform(img); err != nil {
		return nil, err
	}
	l.images = append(l.images, img)
	return img, nil
}

// find returns the image with this ID, if it was found before.
func (l *loader) find(id digest.Digest) *image {
	for _, old := range l.images {
		if old.id == id {
			return old
		}
	}
	return nil
}

// newImage reads the configuration of an image.
func (l *loader) newImage(config blob) (*image, error) {
	img := &image{id: digest.FromBytes(config.data), content: []blob{config}}
	if err := l.decode(config.entry, aConfig, config.data, &img.config); err != nil {
		return nil, err
	}
	if err := checkRootFS(img.config.RootFS); err != nil {
		return nil, l.wrap(config.entry, err)
	}
	if config.desc.Digest != img.id { // the manifest names it by another algorithm, but the ID must lead to it
		config.desc.Digest = img.id
		img.content = append(img.content, config)
	}
	return img, nil
}

// checkPlatform makes sure that an image is for the platform that was asked for.
func (l *loader) checkPlatform(img *image) error {
	have, want := img.config.Platform, l.opts.Platform
	if zeroPlatform(want) || jettison.MatchPlatform(want, have) {
		return nil
	}
	return l.wrap(img.content[0].entry, fmt.Errorf("the image is for %s, not for %s as asked", platform.Format(have), platform.Format(want)))
}

// checkRootFS makes sure that a document is the configuration of an image whose
// layers can be told apart.
func checkRootFS(fs ocispec.RootFS) error {
	if fs.Type != "layers" && (fs.Type != "" || len(fs.DiffIDs) == 0) {
		return fmt.Errorf("is no image configuration, the type of its rootfs is %q", fs.Type)
	}
	for _, id := range fs.DiffIDs {
		if err := id.Validate(); err != nil {
			return fmt.Errorf("diffID %q: %w", id, err)
		}
	}
	return nil
}

// setLayers gives img its layers, base first, as the document by lists them.
func (l *loader) setLayers(img *image, by string, layers []layer) error {
	diffIDs := img.config.RootFS.DiffIDs
	if len(layers) != len(diffIDs) {
		return l.wrap(by, fmt.Errorf("names %d layers of image %s, its configuration %d", len(layers), img.id, len(diffIDs)))
	}
	for i := range layers {
		layers[i].by, layers[i].diffID = by, diffIDs[i]
	}
	img.layers = layers
	return nil
}

// settleNames leaves each name with the last image that has it. No more names are
// added after it.
func (l *loader) settleNames() {
	last := make(map[string]*image)
	for _, img := range l.images {
		for _, name := range img.names.all {
			last[name.String()] = img
		}
	}
	for _, img := range l.images {
		img.names.all = slices.DeleteFunc(img.names.all, func(name reference.Named) bool {
			lost := last[name.String()] != img
			if lost {
				l.skip(img.id, reference.FamiliarString(name), "a later image in the archive has the same name")
			}
			return lost
		})
	}
}

// missingLayer explains that the archive does not have the content of ly.
func missingLayer(ly layer, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(ly.desc.URLs) > 0 || isForeign(ly.desc.MediaType) {
		return fmt.Errorf("named by %s: foreign layer, its content is kept at %q and not in the archive: %w", ly.by, ly.desc.URLs, fs.ErrNotExist)
	}
	return fmt.Errorf("named by %s: %w", ly.by, err)
}
