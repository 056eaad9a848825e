package ocilayout

import (
	"context"

	"github.com/jettison-oci/jettison/internal/vfs"
)

// OpenOn is Open of a layout that changes its files through fs.
func OpenOn(ctx context.Context, dir string, opts *Options, fs vfs.FS) (*Layout, error) {
	l, err := Open(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	l.fs, l.cache.fs = fs, fs
	return l, nil
}
