package podman

import (
	"strings"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// pending are the names that an image has lost and that the store still has: all
// names of an image go in one rewrite of its records, and none is needed for those
// of an image that is deleted next.
type pending struct {
	image *image
	names []string
}

// UntagError says that references, which were reported as removed, are still
// there. Its class is that of Err.
type UntagError struct {
	// Image is the storage ID of the image that they name, and Names are the
	// references in full.
	Image string
	Names []string
	// Err says why.
	Err error
}

// Error names the references and the image.
func (e *UntagError) Error() string {
	return "image " + e.Image + " is still named " + strings.Join(e.Names, ", ") + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *UntagError) Unwrap() error { return e.Err }

// flush removes the pending names from the store. An image that has gone meanwhile
// has none.
func (st *state) flush() error {
	if st.pending.image == nil {
		return nil
	}
	img, names := st.pending.image, st.pending.names
	st.pending = pending{}
	err := storageError(st.owner.store.RemoveNames(img.ID, names))
	if err == nil || class.Is(err, class.NotFound) {
		return nil
	}
	return &UntagError{Image: img.ID, Names: names, Err: err}
}

// flushOthers removes the pending names of images other than this one.
func (st *state) flushOthers(img *image) error {
	if st.pending.image == img {
		return nil
	}
	return st.flush()
}

// pendingOf are the names of the image that the store still has.
func (st *state) pendingOf(img *image) []string {
	if st.pending.image != img {
		return nil
	}
	return st.pending.names
}

// also is err with what else has failed before it, if anything.
func also(err, before error) error {
	if before == nil {
		return err
	}
	return errors.WithMessage(err, before.Error()+"; besides")
}
