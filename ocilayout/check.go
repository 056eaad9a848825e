package ocilayout

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
)

// CheckOptions say what to look at. The zero value looks at the documents and at
// the sizes of all else.
type CheckOptions struct {
	// Content reads every blob and compares it with its digest.
	Content bool
}

// Check looks at all that index.json leads to and at all that lies in the
// layout, and returns what is wrong, sorted (rule C2): blobs that are missing or
// altered, names that cannot be used, and files that nothing needs. It changes
// nothing, and nothing wrong is no finding and no error.
func (l *Layout) Check(ctx context.Context, opts CheckOptions) ([]check.Finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	tx, err := l.begin(ctx)
	if err != nil {
		return nil, err
	}
	a := &audit{transaction: tx, opts: opts, needed: make(map[digest.Digest]*need)}
	if err := a.look(ctx); err != nil {
		return nil, err
	}
	strays, err := a.strays()
	for _, s := range strays {
		a.findings = append(a.findings, s.finding())
	}
	check.Sort(a.findings)
	return a.findings, err
}

// An audit gathers what is wrong with one state of the layout.
type audit struct {
	*transaction
	opts     CheckOptions
	needed   map[digest.Digest]*need
	findings []check.Finding
}

// A need is a blob that images need.
type need struct {
	desc   ocispec.Descriptor
	images []string
}

// look finds what is wrong with names and with blobs.
func (a *audit) look(ctx context.Context) error {
	if err := a.count(ctx); err != nil {
		return err
	}
	a.lookAtNames()
	for _, id := range a.ids() {
		a.lookAtImage(a.images[id])
	}
	for _, blob := range sortedKeys(a.needed) {
		if err := ctx.Err(); err != nil {
			return class.Wrap(class.Unavailable, err)
		}
		if err := a.lookAtBlob(ctx, a.needed[blob]); err != nil {
			return err
		}
	}
	return nil
}

// lookAtNames finds names that cannot be used.
func (a *audit) lookAtNames() {
	seen := make(map[string]bool)
	for _, e := range a.names.live() {
		switch {
		case e.unusable():
			a.add(check.UnusableName, e.desc.Digest, fmt.Sprintf("the name %q is no reference", e.name),
				"give the descriptor another name in "+a.layout.indexPath())
		case e.ref == nil:
		case seen[e.ref.String()]:
			a.add(check.TakenName, e.desc.Digest, fmt.Sprintf("the name %s is that of another descriptor before it", reference.FamiliarString(e.ref)),
				"remove the name once; then it means this one")
		default:
			seen[e.ref.String()] = true
		}
	}
}

// lookAtImage notes what an image needs, and that it cannot be read.
func (a *audit) lookAtImage(img *image) {
	name := a.nameOf(img)
	var reported []digest.Digest
	damage := []error{img.damage}
	for _, t := range img.trees {
		damage = append(damage, t.damage...)
	}
	for _, err := range damage {
		var blob *BlobError
		if errors.As(err, &blob) && !slices.Contains(reported, blob.Digest) {
			reported = append(reported, blob.Digest)
			a.findings = append(a.findings, check.Finding{
				Kind: kindOf(blob.Err), Key: blob.Digest.String(), Path: blob.Path, Images: []string{name},
				Problem: blob.Err.Error() + "; the image cannot be read",
				Repair:  "copy the image into the layout again, or delete it",
			})
			a.needed[blob.Digest] = nil // it is reported
		}
	}
	for _, t := range img.trees {
		for _, n := range t.nodes {
			a.need(n.desc, name)
			if n.config != nil {
				a.need(*n.config, name)
			}
			for _, layer := range n.layers {
				a.need(layer, name)
			}
		}
	}
}

// nameOf is a name by which users know the image.
func (a *audit) nameOf(img *image) string {
	for _, target := range img.targets {
		if refs := a.names.references(target); len(refs) > 0 {
			return reference.FamiliarString(refs[0])
		}
	}
	return img.id.String()
}

func (a *audit) need(desc ocispec.Descriptor, image string) {
	n, known := a.needed[desc.Digest]
	if !known {
		n = &need{desc: desc}
		a.needed[desc.Digest] = n
	}
	if n != nil && !slices.Contains(n.images, image) {
		n.images = append(n.images, image)
	}
}

// lookAtBlob finds what is wrong with a blob. The error is that of the context.
func (a *audit) lookAtBlob(ctx context.Context, n *need) error {
	if n == nil || isForeignLayer(n.desc.MediaType) {
		return nil
	}
	path, err := a.path(n.desc.Digest)
	if err == nil {
		err = verify(ctx, path, n.desc, a.opts.Content)
	}
	if ctx.Err() != nil {
		return class.Wrap(class.Unavailable, ctx.Err())
	}
	if err != nil {
		slices.Sort(n.images)
		a.findings = append(a.findings, check.Finding{
			Kind: kindOf(err), Key: n.desc.Digest.String(), Path: path, Images: n.images, Problem: err.Error(),
			Repair: "copy the images into the layout again, or delete them",
		})
	}
	return nil
}

func (a *audit) add(kind check.Kind, blob digest.Digest, problem, repair string) {
	a.findings = append(a.findings, check.Finding{Kind: kind, Key: blob.String(), Problem: problem, Repair: repair})
}

// kindOf is the kind of the finding about a blob.
func kindOf(err error) check.Kind {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return check.MissingContent
	case errors.Is(err, fs.ErrPermission):
		return check.InaccessibleContent
	case isForeign(err):
		return check.UnknownSort
	default:
		return check.AlteredContent
	}
}

// isForeign reports whether an error says that a blob is whole but of a sort or
// of a size that this package does not read.
func isForeign(err error) bool {
	var foreign *foreignError
	return errors.As(err, &foreign) || errors.Is(err, errTooDeep) || errors.Is(err, errTooLarge)
}

// verify returns what is wrong with the file of a blob.
func verify(ctx context.Context, path string, desc ocispec.Descriptor, content bool) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case info.Size() != desc.Size:
		return errors.Errorf("it has %d bytes, and not the %d that its descriptor says", info.Size(), desc.Size)
	case !content:
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // made of a digest that was checked
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	verifier := desc.Digest.Verifier()
	if _, err := io.Copy(verifier, readers.Until(ctx, f)); err != nil {
		return err
	}
	if !verifier.Verified() {
		return readers.ErrAltered
	}
	return nil
}

// isForeignLayer reports whether the layers of this media type are to be fetched
// from elsewhere, so that a layout need not have them.
func isForeignLayer(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageLayerNonDistributable, ocispec.MediaTypeImageLayerNonDistributableGzip, //nolint:staticcheck // layouts have them
		ocispec.MediaTypeImageLayerNonDistributableZstd, //nolint:staticcheck // likewise
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return true
	}
	return false
}
