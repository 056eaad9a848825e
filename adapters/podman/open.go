package podman

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"
	"go.podman.io/storage/types"

	"github.com/jettison-oci/jettison/internal/class"
)

// Open opens the store in a directory, which must be there. Nothing is made in a
// directory that is no store. Nil options mean the defaults.
//
// The error is of class NotFound when there is no such directory, a
// [*NotStoreError] when it is no store, or one of another driver than was asked
// for, an [*IncompleteError] or a [*LockedError] as for a View, and of class
// Unavailable when rights are missing.
func Open(ctx context.Context, opts *Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	if opts == nil {
		opts = &Options{}
	}
	chosen, err := opts.choose()
	if err != nil {
		return nil, err
	}
	l := layout{
		root: chosen.GraphRoot, runRoot: chosen.RunRoot, imageStore: chosen.ImageStore,
		driver: chosen.GraphDriverName, transient: chosen.TransientStore,
	}
	if err := l.checkRights(); err != nil {
		return nil, systemError(err)
	}
	if err := l.await(ctx, opts.lockTimeout(), writing); err != nil {
		return nil, err
	}
	store, err := storage.GetStore(chosen)
	if err != nil {
		return nil, class.Errorf(class.Internal, "open %s: %w", chosen.GraphRoot, storageError(err))
	}
	s := New(store, opts)
	s.opened = true
	return s, nil
}

// choose completes the options by those of the configuration, and makes sure that
// there is such a store.
func (o *Options) choose() (storage.StoreOptions, error) {
	chosen, err := types.DefaultStoreOptions()
	if err != nil {
		return chosen, class.Errorf(class.Unavailable, "read the configuration of the storage library: %w", err)
	}
	if o.RunRoot != "" {
		chosen.RunRoot = o.RunRoot
	}
	if o.GraphRoot != "" {
		chosen.GraphRoot, chosen.ImageStore = o.GraphRoot, ""
	}
	for _, path := range []*string{&chosen.GraphRoot, &chosen.RunRoot} {
		if *path, err = filepath.Abs(*path); err != nil {
			return chosen, class.Wrap(class.Unavailable, err)
		}
	}
	driver, err := o.driver(chosen)
	if err != nil {
		return chosen, err
	}
	if driver != chosen.GraphDriverName {
		chosen.GraphDriverName, chosen.GraphDriverOptions = driver, nil
	}
	if o.DriverOptions != nil {
		chosen.GraphDriverOptions = slices.Clone(o.DriverOptions)
	}
	return chosen, nil
}

// driver is the one whose store is in the directory.
func (o *Options) driver(chosen storage.StoreOptions) (string, error) {
	dir := chosen.GraphRoot
	found, err := driversIn(dir)
	if err != nil {
		return "", err
	}
	all := strings.Join(found, ", ")
	switch {
	case len(found) == 0:
		return "", &NotStoreError{Dir: dir, Reason: "it has no records of images and layers"}
	case o.Driver != "" && !slices.Contains(found, o.Driver):
		return "", &NotStoreError{Dir: dir, Reason: "it is a store of driver " + all + ", not of " + o.Driver}
	case o.Driver != "":
		return known(dir, o.Driver)
	case slices.Contains(found, chosen.GraphDriverName):
		return known(dir, chosen.GraphDriverName)
	case len(found) > 1:
		return "", &NotStoreError{Dir: dir, Reason: "it has stores of the drivers " + all + ", and none was chosen"}
	}
	return known(dir, found[0])
}

// known makes sure that the library has the driver without cgo.
func known(dir, driver string) (string, error) {
	if !slices.Contains([]string{"overlay", "vfs", "zfs"}, driver) {
		return "", &NotStoreError{Dir: dir, Reason: "its driver " + driver + " is not known here"}
	}
	return driver, nil
}

// driversIn returns the names of the drivers that have stores in the directory.
func driversIn(dir string) ([]string, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, class.Errorf(class.NotFound, "there is no containers/storage store at %s", dir)
	case err != nil:
		return nil, systemError(err)
	case !info.IsDir():
		return nil, &NotStoreError{Dir: dir, Reason: "it is a file"}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, systemError(err)
	}
	var found []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), "-images"); ok && e.IsDir() && exists(filepath.Join(dir, name+"-layers")) {
			found = append(found, name)
		}
	}
	return found, nil
}

// checkRights makes sure that the store can be changed, before anything is.
func (l layout) checkRights() error {
	for _, root := range l.imageRoots() {
		for _, dir := range []string{root, l.kind(root, "images"), l.kind(root, "layers")} {
			if err := writable(dir); err != nil {
				return &os.PathError{Op: "write to", Path: dir, Err: err}
			}
		}
	}
	return nil
}
