package scripttest

import (
	"errors"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// Classes are all the classes of an error, each told by the sentinel, the
// marker method and containerd's errdefs; what they do not agree on is told
// apart.
func Classes(err error) []string {
	var found []string
	for _, class := range []struct {
		name                    string
		sentinel, marked, known bool
	}{
		{"InvalidArgument", errors.Is(err, jettison.ErrInvalidArgument), has[interface{ InvalidParameter() }](err), errdefs.IsInvalidArgument(err)},
		{"NotFound", errors.Is(err, jettison.ErrNotFound), has[interface{ NotFound() }](err), errdefs.IsNotFound(err)},
		{"Conflict", errors.Is(err, jettison.ErrConflict), has[interface{ Conflict() }](err), errdefs.IsConflict(err)},
		{"Unavailable", errors.Is(err, jettison.ErrUnavailable), has[interface{ Unavailable() }](err), errdefs.IsUnavailable(err)},
		{"Internal", errors.Is(err, jettison.ErrInternal), has[interface{ System() }](err), errdefs.IsInternal(err)},
	} {
		switch {
		case class.sentinel && class.marked && class.known:
			found = append(found, class.name)
		case class.sentinel || class.marked || class.known:
			found = append(found, fmt.Sprintf("%s (sentinel %t, marker %t, errdefs %t)",
				class.name, class.sentinel, class.marked, class.known))
		}
	}
	return found
}

// has reports whether an error in the chain has the methods of M.
func has[M any](err error) bool {
	var marked M
	return errors.As(err, &marked)
}

// KeptText is the refusal that keeps an image, or the other reason.
func KeptText(k jettison.Kept) string {
	if k.Why != jettison.WhyConflict {
		return k.String()
	}
	return (&conflict.Error{Image: k.Image, Conflicts: k.Conflicts}).Error()
}
