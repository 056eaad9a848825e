package ocilayout

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// A transaction is one state of the layout, and what is to become of it.
type transaction struct {
	*graph
	layout *Layout
	data   []byte // index.json as it was read
	index  *index

	changed bool
	gone    []digest.Digest // blobs to remove after the commit
	// leases are those at the end of the transaction; nil as long as none changed.
	leases *leases
}

// access says what may be done in a transaction.
type access int

const (
	reading access = iota
	writing
)

// stores shows the transaction as a [jettison.Backend] does.
func (tx *transaction) stores(may access) jettison.Stores {
	v := view{tx: tx, may: may}
	return jettison.Stores{
		Images:     jettison.Images{ImageStore: images{v}, Referrers: images{v}, Platforms: images{v}},
		References: jettison.References{ReferenceStore: references{v}},
		Containers: jettison.Containers{ContainerLister: tx.layout.containers},
		Leases:     leaseStore{v},
	}
}

// A view is what the stores of a transaction have in common.
type view struct {
	tx  *transaction
	may access
}

var errReadOnly = class.Errorf(class.Internal, "a view cannot change the layout")

// read returns an error when the context has ended.
func (v view) read(ctx context.Context) error { return class.Wrap(class.Unavailable, ctx.Err()) }

// write returns an error when nothing may be changed.
func (v view) write(ctx context.Context) error {
	if v.may == reading {
		return errReadOnly
	}
	return v.read(ctx)
}

// encode is index.json as the transaction leaves it.
func (tx *transaction) encode() []byte { return tx.index.with(tx.names.live()) }

// wants reports whether the state that the transaction leaves needs a blob.
func (tx *transaction) wants(blob digest.Digest) bool {
	return tx.opaque || tx.content[blob] != nil
}

// unwanted are the blobs that went and did not come back.
func (tx *transaction) unwanted(ctx context.Context) ([]digest.Digest, error) {
	if err := tx.count(ctx); err != nil { // what was added since is not counted yet
		return nil, err
	}
	slices.Sort(tx.gone)
	return slices.DeleteFunc(slices.Compact(tx.gone), tx.wants), nil
}
