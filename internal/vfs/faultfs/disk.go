package faultfs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/vfs"
)

// A Disk is the file system of the machine, and remembers what is not durable
// yet: names that were made, moved or removed since their directory was
// synced, and bytes that were written since their file was. [Disk.Fail] takes
// it away. Files that were made before, and bytes that went past the seam,
// count as durable.
type Disk struct {
	vfs.OS

	mu sync.Mutex
	// grave is a directory of second names for files whose name in the store
	// was removed, or given to another; buried counts them.
	grave  string
	buried int
	// names has the paths that have changed since their directory was synced:
	// what a power failure would put there, in the grave, or "" for nothing.
	names map[string]string
	// moves has the new name of a file by its old one: a rename is one change, so
	// the old name does not go where the new one does not come.
	moves map[string]string
	// synced has the files that are written through the seam, by path: how many
	// of their bytes are durable.
	synced map[string]int64
}

var _ vfs.FS = (*Disk)(nil)

// NewDisk returns a Disk that keeps what it needs for a power failure in grave,
// a directory on the same file system.
func NewDisk(grave string) *Disk {
	return &Disk{grave: grave, names: make(map[string]string), moves: make(map[string]string), synced: make(map[string]int64)}
}

// Mkdir notes the name.
func (d *Disk) Mkdir(path string, mode fs.FileMode) error {
	return d.change(func() error { return d.OS.Mkdir(path, mode) }, path)
}

// CreateTemp notes the name.
func (d *Disk) CreateTemp(dir, pattern string) (vfs.File, error) {
	made, err := d.OS.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[made.Name()] = ""
	d.synced[made.Name()] = 0
	return &diskFile{File: made, disk: d}, nil
}

// Rename notes both names.
func (d *Disk) Rename(from, to string) error {
	return d.change(func() error {
		if err := d.OS.Rename(from, to); err != nil {
			return err
		}
		d.carry(from, to)
		delete(d.synced, from)
		d.moves[from] = to
		return nil
	}, from, to)
}

// Link notes the new name.
func (d *Disk) Link(from, to string) error {
	return d.change(func() error {
		if err := d.OS.Link(from, to); err != nil {
			return err
		}
		d.carry(from, to)
		return nil
	}, to)
}

// Remove notes the name.
func (d *Disk) Remove(path string) error {
	return d.change(func() error { return d.OS.Remove(path) }, path)
}

// SyncDir makes the names in a directory durable.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.names {
		if filepath.Dir(path) == filepath.Clean(dir) {
			delete(d.names, path)
		}
	}
	return d.OS.SyncDir(dir)
}

// Fail is a power failure: of what is not durable only that stays which keep
// says, and is durable then. The files must not be in use. It returns what was
// taken: bytes first, then names, each sorted.
func (d *Disk) Fail(keep func(path string) bool) (taken []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(d.synced)) {
		if info, err := os.Stat(path); err != nil || info.Size() == d.synced[path] || keep(path) {
			continue // it has gone, or lacks nothing
		}
		taken = append(taken, path)
		if err := os.Truncate(path, d.synced[path]); err != nil {
			return taken, err
		}
	}
	for _, path := range d.lost(keep) {
		taken = append(taken, path)
		if err := restore(path, d.names[path]); err != nil {
			return taken, err
		}
	}
	clear(d.synced)
	clear(d.names)
	clear(d.moves)
	return taken, nil
}

// lost returns the names that a power failure takes, sorted: a directory comes
// ahead of what is in it.
func (d *Disk) lost(keep func(path string) bool) []string {
	lost := make(map[string]bool)
	for _, path := range slices.Sorted(maps.Keys(d.names)) {
		if !keep(path) {
			lost[path] = true
		}
	}
	for from, to := range d.moves {
		if _, changed := d.names[from]; changed && lost[to] {
			lost[from] = true
		}
	}
	return slices.Sorted(maps.Keys(lost))
}

// restore puts back what was at path: a file of the grave, or nothing.
func restore(path, was string) error {
	if err := os.RemoveAll(path); err != nil || was == "" {
		return err
	}
	err := os.Link(was, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its directory was taken too
	}
	return err
}

// change does something to names, and notes what was there unless they had
// changed before. A directory is not kept: the store removes only those that
// it has just made.
func (d *Disk) change(do func() error, paths ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := make([]string, len(paths))
	for i, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			d.buried++
			was[i] = filepath.Join(d.grave, fmt.Sprint(d.buried))
			if err := os.Link(path, was[i]); err != nil {
				return err
			}
		}
	}
	for _, path := range paths {
		delete(d.moves, path)
	}
	if err := do(); err != nil {
		return err
	}
	for i, path := range paths {
		if _, changed := d.names[path]; !changed {
			d.names[path] = was[i]
		}
	}
	return nil
}

// carry gives a second path of a file what is known of it by the first.
func (d *Disk) carry(from, to string) {
	delete(d.synced, to)
	if n, written := d.synced[from]; written {
		d.synced[to] = n
	}
}

// A diskFile is one that is written through the seam.
type diskFile struct {
	vfs.File
	disk *Disk
}

// Sync makes the bytes so far durable.
func (f *diskFile) Sync() error {
	info, err := f.File.Raw().Stat()
	if err != nil {
		return err
	}
	if err := f.File.Sync(); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.synced[f.Name()] = info.Size()
	return nil
}

// Raw is the file itself, whose bytes are not looked after from here on.
func (f *diskFile) Raw() *os.File {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	delete(f.disk.synced, f.Name())
	return f.File.Raw()
}
