package containerd

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
)

// maxDigits is how many digits of a digest the pieces of a list go by at most.
// Three make more than 4,000 pieces.
const maxDigits = 3

// listImages lists the records of the context's namespace, each once. A daemon
// answers in one message, and where that would be too long it refuses. Then it is
// asked for the records in pieces, by the last digits of their targets. A record
// that others change meanwhile is as one of the answers has it, or missing: it was
// made after the look had begun.
func (b *Backend) listImages(ctx context.Context) ([]images.Image, error) {
	return b.listPiece(ctx, "", 0)
}

// listPiece lists the records whose target ends in the given way, which is a
// regular expression for so many of its last digits.
func (b *Backend) listPiece(ctx context.Context, end string, digits int) ([]images.Image, error) {
	var filters []string
	if digits > 0 {
		filters = []string{"target.digest~=" + strconv.Quote(end+"$")}
	}
	found, err := b.services.Images.List(ctx, filters...)
	err = failed("list images", err)
	if digits == maxDigits || !errdefs.IsResourceExhausted(err) {
		return found, err
	}
	var all []images.Image
	for digit := range strings.SplitSeq("0123456789abcdef", "") {
		more, err := b.listPiece(ctx, digit+end, digits+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	rest, err := b.listPiece(ctx, "[^0-9a-f]"+end, digits+1) // of algorithms that write digests otherwise
	all = append(all, rest...)
	byName := func(a, b images.Image) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(all, byName)
	return slices.CompactFunc(all, func(a, b images.Image) bool { return a.Name == b.Name }), err
}
