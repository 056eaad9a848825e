package podman

import (
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage"
)

// A layout tells where a store keeps its records and locks.
type layout struct {
	root, runRoot, imageStore string
	driver                    string
	transient                 bool
}

func layoutOf(store storage.Store) layout {
	return layout{
		root:       store.GraphRoot(),
		runRoot:    store.RunRoot(),
		imageStore: store.ImageStore(),
		driver:     store.GraphDriverName(),
		transient:  store.TransientStore(),
	}
}

// kind is a directory of records: "images", "layers", "containers".
func (l layout) kind(root, kind string) string { return filepath.Join(root, l.driver+"-"+kind) }

// imageRoots are where images and their layers lie.
func (l layout) imageRoots() []string {
	if l.imageStore == "" {
		return []string{l.root}
	}
	return []string{l.root, l.imageStore}
}

// locks are the lock files of the store that are there, in the order in which
// the library takes them.
func (l layout) locks() []string {
	paths := []string{filepath.Join(l.root, "storage.lock")}
	for _, root := range l.imageRoots() {
		paths = append(paths, filepath.Join(l.kind(root, "layers"), "layers.lock"))
	}
	paths = append(paths, filepath.Join(l.kind(l.runRoot, "layers"), "mountpoints.lock"))
	for _, root := range l.imageRoots() {
		paths = append(paths, filepath.Join(l.kind(root, "images"), "images.lock"))
	}
	containers := l.root
	if l.transient {
		containers = l.runRoot
	}
	paths = append(paths, filepath.Join(l.kind(containers, "containers"), "containers.lock"))
	return slices.DeleteFunc(paths, func(path string) bool { return !exists(path) })
}

// updates is the lock that an Update holds. Podman does not know it.
func (l layout) updates() string { return filepath.Join(l.kind(l.runRoot, "locks"), "jettison.lock") }

// nextUpdate is the lock that the Update holds whose turn is next.
func (l layout) nextUpdate() string {
	return filepath.Join(l.kind(l.runRoot, "locks"), "jettison-next.lock")
}

// A lockedFile is a file of records and the lock that guards it.
type lockedFile struct{ path, lock string }

// layerRecords are the files with the records of the layers.
func (l layout) layerRecords() []lockedFile {
	var files []lockedFile
	for _, root := range l.imageRoots() {
		dir := l.kind(root, "layers")
		files = append(files, lockedFile{filepath.Join(dir, "layers.json"), filepath.Join(dir, "layers.lock")})
	}
	volatile := l.kind(l.root, "layers")
	if l.transient {
		volatile = l.kind(l.runRoot, "layers")
	}
	files = append(files, lockedFile{filepath.Join(volatile, "volatile-layers.json"), files[0].lock})
	return slices.DeleteFunc(files, func(f lockedFile) bool { return !exists(f.path) || !exists(f.lock) })
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
