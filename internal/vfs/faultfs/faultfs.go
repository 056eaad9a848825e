// Package faultfs makes changes of files fail. [FS] does so at the steps that a
// test chooses; [Disk], below it, knows what a power failure would take.
package faultfs

import (
	"io/fs"
	"sync"
	"syscall"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/vfs"
)

// An Op is a kind of step.
type Op string

// The kinds of steps.
const (
	Mkdir   Op = "mkdir"
	Create  Op = "create"
	Write   Op = "write"
	Sync    Op = "sync"
	Rename  Op = "rename"
	Link    Op = "link"
	Remove  Op = "remove"
	SyncDir Op = "syncdir"
	// Commit is a step that does not go through the file system: see
	// [FS.Do].
	Commit Op = "commit"
)

// A Step is one change of files.
type Step struct {
	// Op is what is done.
	Op Op
	// Path is the file or the directory that is changed; of a rename or a link,
	// the new name.
	Path string
}

// A Kind says how a step goes wrong.
type Kind int

// The kinds of faults.
const (
	// None lets the step happen.
	None Kind = iota
	// Fail is an error, and nothing happens.
	Fail
	// Short is an error after half of a write. For other steps it is Fail.
	Short
	// Late is an error although the step has happened.
	Late
	// Stop is the end of the process ahead of the step: neither it nor any step
	// after it happens.
	Stop
	// StopAfter is the end of the process right after the step, before it can
	// tell anyone.
	StopAfter
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"none", "fail", "short", "late", "stop", "stop after"}[k]
}

// A Fault is what becomes of a step.
type Fault struct {
	// Kind is how it goes wrong.
	Kind Kind
	// Err is the error, if not that the disk is full.
	Err error
}

// ErrStopped is the error of every step from a Stop or a StopAfter on.
var ErrStopped = errors.New("the process has stopped")

// An FS asks before each step what becomes of it. It is safe for concurrent
// use; so must be what it asks.
type FS struct {
	under vfs.FS
	plan  func(Step) Fault

	mu      sync.Mutex
	stopped bool
}

var _ vfs.FS = (*FS)(nil)

// New returns an FS that changes files through under as plan says.
func New(under vfs.FS, plan func(Step) Fault) *FS {
	return &FS{under: under, plan: plan}
}

// At is a plan in which the n-th step, counted from 1, has a fault. Count is
// how many steps there were so far.
func At(n int, fault Fault) (plan func(Step) Fault, count func() int) {
	var mu sync.Mutex
	steps := 0
	plan = func(Step) Fault {
		mu.Lock()
		defer mu.Unlock()
		if steps++; steps == n {
			return fault
		}
		return Fault{}
	}
	count = func() int {
		mu.Lock()
		defer mu.Unlock()
		return steps
	}
	return plan, count
}

// Do makes f a step: a change of the file at path that does not go through the
// file system, such as a commit of bbolt.
func (f *FS) Do(op Op, path string, do func() error) error {
	return f.step(Step{op, path}, do, nil)
}

// step lets do happen, or half in its place, or neither. The plan is asked
// without a lock, so that it may wait for another step.
func (f *FS) step(s Step, do, half func() error) error {
	fault := Fault{Kind: Stop}
	if !f.Stopped() {
		fault = f.plan(s)
	}
	err := fault.Err
	if err == nil {
		err = syscall.ENOSPC
	}
	if fault.Kind == Stop || fault.Kind == StopAfter {
		f.stop()
		err = ErrStopped
	}
	var wrapped *fs.PathError
	if !errors.As(err, &wrapped) {
		err = &fs.PathError{Op: string(s.Op), Path: s.Path, Err: err}
	}
	switch fault.Kind {
	case None:
		return do()
	case Late, StopAfter:
		_ = do() // its error or this one
	case Short:
		if half != nil {
			_ = half()
		}
	case Fail, Stop:
	}
	return err
}

// Stopped says whether a Stop has come.
func (f *FS) Stopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

func (f *FS) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

// Mkdir is a step.
func (f *FS) Mkdir(path string, mode fs.FileMode) error {
	return f.step(Step{Mkdir, path}, func() error { return f.under.Mkdir(path, mode) }, nil)
}

// CreateTemp is a step. A file whose making fails late has no owner.
func (f *FS) CreateTemp(dir, pattern string) (made vfs.File, err error) {
	err = f.step(Step{Create, dir}, func() (err error) {
		made, err = f.under.CreateTemp(dir, pattern)
		return err
	}, nil)
	if err == nil {
		return &file{File: made, fs: f}, nil
	}
	if made != nil {
		_ = made.Close() // nothing was written
	}
	return nil, err
}

// Rename is a step.
func (f *FS) Rename(from, to string) error {
	return f.step(Step{Rename, to}, func() error { return f.under.Rename(from, to) }, nil)
}

// Link is a step.
func (f *FS) Link(from, to string) error {
	return f.step(Step{Link, to}, func() error { return f.under.Link(from, to) }, nil)
}

// Remove is a step.
func (f *FS) Remove(path string) error {
	return f.step(Step{Remove, path}, func() error { return f.under.Remove(path) }, nil)
}

// SyncDir is a step.
func (f *FS) SyncDir(dir string) error {
	return f.step(Step{SyncDir, dir}, func() error { return f.under.SyncDir(dir) }, nil)
}

// A file is one whose writes and syncs are steps.
type file struct {
	vfs.File
	fs *FS
}

// Write is a step.
func (f *file) Write(p []byte) (n int, err error) {
	write := func(p []byte) func() error {
		return func() (err error) {
			n, err = f.File.Write(p)
			return err
		}
	}
	err = f.fs.step(Step{Write, f.Name()}, write(p), write(p[:len(p)/2]))
	return n, err
}

// Sync is a step.
func (f *file) Sync() error {
	return f.fs.step(Step{Sync, f.Name()}, f.File.Sync, nil)
}
