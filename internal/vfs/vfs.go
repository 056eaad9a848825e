// Package vfs is the seam through which a store changes files, so that a test
// can make each change fail. Reading goes past it.
//
// What bbolt writes goes past it too: bbolt asks for an [*os.File] and keeps
// it. Only the making of its file passes here.
package vfs

import (
	"io"
	"io/fs"
	"os"
	"runtime"
)

// An FS changes the names in directories. Its errors are those of package os.
type FS interface {
	// Mkdir makes a directory.
	Mkdir(path string, mode fs.FileMode) error
	// CreateTemp makes a file, readable by its owner alone, as [os.CreateTemp]
	// does.
	CreateTemp(dir, pattern string) (File, error)
	// Rename gives a file another name, which it takes from whoever has it.
	Rename(from, to string) error
	// Link gives a file a second name.
	Link(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(path string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
}

// A File is one that is being written.
type File interface {
	io.WriteCloser
	// Name is the path by which the file was made.
	Name() string
	// Sync makes the bytes durable.
	Sync() error
	// Raw is the file itself, for who must have more than this. What is done to
	// it goes past the seam.
	Raw() *os.File
}

// OS is the file system of the machine.
type OS struct{}

var _ FS = OS{}

// Mkdir is [os.Mkdir].
func (OS) Mkdir(path string, mode fs.FileMode) error { return os.Mkdir(path, mode) }

// CreateTemp is [os.CreateTemp].
func (OS) CreateTemp(dir, pattern string) (File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err // and no file that is nil in an interface that is not
	}
	return file{f}, nil
}

// Rename is [os.Rename].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Link is [os.Link].
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Remove is [os.Remove].
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir opens the directory and syncs it. On Windows it does nothing: a
// directory cannot be synced there, and need not be.
func (OS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the caller's path
	if err != nil {
		return err
	}
	err = d.Sync()
	if closing := d.Close(); err == nil {
		err = closing
	}
	return err
}

// A file is one of the machine.
type file struct{ *os.File }

func (f file) Raw() *os.File { return f.File }
