package kvstore

import (
	"context"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/refstore"
)

// A Tx is one transaction on all stores. It must not be used after the
// function that it was given to, nor by several goroutines. In a view every
// change is an error of class Internal.
type Tx struct {
	// The stores of this transaction; none is nil.
	Images     *imagestore.Store
	References *refstore.Store
	Containers *Containers
	Leases     *Leases

	now func() time.Time
}

// Stores shows the transaction as a [jettison.Backend] does.
func (tx *Tx) Stores() jettison.Stores {
	images := images{Store: tx.Images, tx: tx}
	return jettison.Stores{
		Images:     jettison.Images{ImageStore: images, Referrers: images, Platforms: images},
		References: jettison.References{ReferenceStore: tx.References},
		Containers: jettison.Containers{ContainerLister: tx.Containers, Remover: tx.Containers},
		Leases:     tx.Leases,
	}
}

// Tag makes ref name the image, which is thereby used. The error is of class
// NotFound when there is no such image; the others are those of
// [refstore.Store.AddTag].
func (tx *Tx) Tag(ctx context.Context, id digest.Digest, ref reference.Named, opts refstore.AddOptions) error {
	if err := tx.Images.Touch(ctx, id, tx.now()); err != nil {
		return err
	}
	return tx.References.AddTag(ctx, ref, id, opts)
}

// CreateImage is Create of the image store, and notes that the image was used
// now, also when it was there before: for whoever builds, loads or pulls it.
func (tx *Tx) CreateImage(ctx context.Context, spec imagestore.Spec) (imagestore.Image, error) {
	img, err := tx.Images.Create(ctx, spec)
	if err != nil {
		return img, err
	}
	if err := tx.Images.Touch(ctx, img.ID, tx.now()); err != nil {
		return img, err
	}
	return tx.Images.Get(ctx, img.ID)
}

// DeleteImage is Delete of the image store, and removes the leases on the
// image as well: what a lease that expired has left behind. It asks nothing
// about uses and references; deciding is the part of [jettison.Service].
func (tx *Tx) DeleteImage(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	removed, err := tx.Images.Delete(ctx, id)
	if err != nil {
		return removed, err
	}
	return removed, tx.Leases.removeAll(ctx, id)
}

// images is the image store that a service sees.
type images struct {
	*imagestore.Store
	tx *Tx
}

func (i images) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	return i.tx.DeleteImage(ctx, id)
}

func (s *Store) writer(tx kv.Tx) *Tx {
	images := imagestore.New(tx)
	if s.marks {
		images = imagestore.NewMarking(tx)
	}
	return s.over(images, refstore.New(tx), tx)
}

func (s *Store) reader(r kv.Reader) *Tx {
	return s.over(imagestore.NewReader(r), refstore.NewReader(r), view{r})
}

func (s *Store) over(images *imagestore.Store, refs *refstore.Store, tx kv.Tx) *Tx {
	return &Tx{
		Images:     images,
		References: refs,
		Containers: &Containers{tx: tx, images: images, newID: s.newID, now: s.now, uses: prefix.New(tx, usePrefix)},
		Leases:     &Leases{tx: tx, images: images, any: prefix.New(tx, leasePrefix)},
		now:        s.now,
	}
}

// A view is a transaction that cannot be written to.
type view struct{ kv.Reader }

var errView = class.Errorf(class.Internal, "read-only transaction")

func (view) Put(context.Context, []byte, []byte) error { return errView }

func (view) Delete(context.Context, []byte) error { return errView }

// collect returns the keys under prefix, each without it. They are copies, so
// the transaction may be written to afterwards.
func collect(ctx context.Context, r kv.Reader, prefix string) ([]string, error) {
	var rest []string
	for entry, err := range r.Scan(ctx, []byte(prefix)) {
		if err != nil {
			return nil, err
		}
		rest = append(rest, string(entry.Key[len(prefix):]))
	}
	return rest, nil
}
