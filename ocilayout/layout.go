package ocilayout

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
)

// Options configure a [Layout]. The zero value of each field is a safe default.
type Options struct {
	// Containers tells which containers use the images. A layout knows of none
	// itself; the default is that there are none. They are never removed: an update
	// that fails could not bring them back.
	Containers jettison.ContainerLister
	// LockTimeout is how long an Update waits for another process that changes
	// the layout. The default is one second; a negative value does not wait.
	LockTimeout time.Duration
	// Logger receives warnings about what cannot be understood or removed. The
	// default discards them.
	Logger *slog.Logger
}

// A list is containers that nothing removes.
type list struct{ jettison.ContainerLister }

func listOnly(containers jettison.ContainerLister) jettison.ContainerLister {
	if containers == nil {
		return nil
	}
	return list{containers}
}

// A Layout is a [jettison.Backend] over an OCI image layout. It is safe for
// concurrent use, but a function that one of its methods runs must not call
// another one.
type Layout struct {
	directory
	cache      *cache
	containers jettison.ContainerLister
	timeout    time.Duration
	log        *slog.Logger

	mu     sync.RWMutex // held by an Update, shared by the Views
	leases *leases
}

var _ jettison.Backend = (*Layout)(nil)

// Open opens the layout in dir, which must be there. Nothing is read but what
// says that it is one, and nothing is changed. Nil options mean the defaults.
//
// The error is of class NotFound when there is no such directory, a
// [*NotLayoutError] when it is no layout or of an unknown version, and of class
// Unavailable when rights are missing. It names the path.
func Open(ctx context.Context, dir string, opts *Options) (*Layout, error) {
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	if opts == nil {
		opts = &Options{}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, class.Errorf(class.Unavailable, "layout %s: %w", dir, err)
	}
	d := directory{dir: abs, fs: vfs.OS{}}
	if err := d.check(); err != nil {
		return nil, err
	}
	l := &Layout{
		directory:  d,
		cache:      newCache(d),
		containers: listOnly(opts.Containers),
		timeout:    opts.LockTimeout,
		log:        opts.Logger,
		leases:     newLeases(),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.timeout == 0 {
		l.timeout = time.Second
	}
	return l, nil
}

// Dir returns the directory of the layout, as an absolute path.
func (l *Layout) Dir() string { return l.dir }

// View runs fn on one consistent state, as [jettison.Backend] says: on what
// index.json says when it begins. It waits for an Update of this process and
// for no other.
func (l *Layout) View(ctx context.Context, fn func(jettison.Stores) error) error {
	if err := ctx.Err(); err != nil {
		return class.Wrap(class.Unavailable, err)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	return fn(tx.stores(reading))
}

// begin reads index.json.
func (l *Layout) begin(ctx context.Context) (*transaction, error) {
	if err := ctx.Err(); err != nil { // it may have ended during a wait
		return nil, class.Wrap(class.Unavailable, err)
	}
	data, err := l.readIndex()
	if err != nil {
		return nil, systemError(err)
	}
	idx, err := parseIndex(data)
	if err != nil {
		return nil, &IndexError{Path: l.indexPath(), Err: err}
	}
	return &transaction{
		graph:  &graph{cache: l.cache, names: newNames(idx), fresh: make(map[digest.Digest]fresh)},
		layout: l,
		data:   data,
		index:  idx,
	}, nil
}

// A directory is where a layout lies.
type directory struct {
	dir string
	fs  vfs.FS
}

func (d directory) indexPath() string { return filepath.Join(d.dir, ocispec.ImageIndexFile) }

// check makes sure that the directory is a layout.
func (d directory) check() error {
	info, err := os.Stat(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return class.Errorf(class.NotFound, "there is no OCI image layout %s: no such file or directory", d.dir)
	case err != nil:
		return systemError(err)
	case !info.IsDir():
		return &NotLayoutError{Dir: d.dir, Reason: "it is a file"}
	}
	data, err := os.ReadFile(filepath.Join(d.dir, ocispec.ImageLayoutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &NotLayoutError{Dir: d.dir, Reason: "it has no file " + ocispec.ImageLayoutFile}
	}
	if err != nil {
		return systemError(err)
	}
	var mark ocispec.ImageLayout
	if err := json.Unmarshal(data, &mark); err != nil {
		return &NotLayoutError{Dir: d.dir, Reason: "its file " + ocispec.ImageLayoutFile + " is damaged: " + err.Error()}
	}
	if mark.Version != ocispec.ImageLayoutVersion {
		return &NotLayoutError{Dir: d.dir, Reason: "it has version " + mark.Version + ", and only " + ocispec.ImageLayoutVersion + " is known"}
	}
	if _, err := os.Stat(d.indexPath()); errors.Is(err, fs.ErrNotExist) {
		return &NotLayoutError{Dir: d.dir, Reason: "it has no file " + ocispec.ImageIndexFile}
	}
	return nil
}
