package diskstore

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kvstore"
)

// An Ingest brings content into a store, for one change of the records. What
// it wrote and what it asked for with [Ingest.Has] stays until it ends, even if
// the last image that holds it is deleted meanwhile.
//
// Write and Has may be called by several goroutines. None of its methods may
// be called from within a transaction of the store.
type Ingest struct {
	store *Store

	mu    sync.Mutex
	ended bool
	holdings
	// sizes has the content that was written or found undamaged.
	sizes map[digest.Digest]int64
}

// holdings is what an ingest has to give back in the end.
type holdings struct {
	pins  []digest.Digest
	temps map[digest.Digest]*tempFile
	free  []*tempFile // those of Temp
}

var errEnded = class.Errorf(class.InvalidArgument, "this ingest has ended")

// Ingest begins to bring content in. Close must be called in the end.
func (s *Store) Ingest(ctx context.Context) (*Ingest, error) {
	if s.readOnly {
		return nil, s.errReadOnly()
	}
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	return &Ingest{
		store:    s,
		holdings: holdings{temps: make(map[digest.Digest]*tempFile)},
		sizes:    make(map[digest.Digest]int64),
	}, nil
}

// Temp returns a new, empty file for whatever bringing content in takes, such
// as an archive that must be unpacked first. It lies in the store's ingest
// directory, is open for reading and writing, and goes when the Ingest ends, or
// at the next [Open] after a crash; it need not be closed. The error is of
// class Unavailable when the disk refuses.
func (in *Ingest) Temp() (*os.File, error) {
	temp, err := in.store.files.create(tempArchive)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		in.store.discard(temp)
		return nil, errEnded
	}
	in.free = append(in.free, temp)
	return temp.file.Raw(), nil
}

// Has reports whether the content, of this digest and this size, is in the
// store already and undamaged, so that it need not be written. Then it stays
// until the Ingest ends. The file is read to its end, once in an Ingest. The
// error is of class InvalidArgument when the digest or the size is malformed.
func (in *Ingest) Has(ctx context.Context, want ocispec.Descriptor) (bool, error) {
	damage, err := in.find(ctx, want)
	return err == nil && damage == nil, err
}

// Need is Has for content that an image or layer in the store holds: where Has
// reports false, the error is a [*Damage].
func (in *Ingest) Need(ctx context.Context, want ocispec.Descriptor) error {
	damage, err := in.find(ctx, want)
	if err == nil && damage != nil {
		err = damage
	}
	return err
}

// find pins content and returns why the store does not have it, or nil.
func (in *Ingest) find(ctx context.Context, want ocispec.Descriptor) (*Damage, error) {
	if err := checkDescriptor(want); err != nil {
		return nil, err
	}
	size, known, err := in.pin(want.Digest)
	if err != nil || known && size == want.Size {
		return nil, err
	}
	damage, err := in.store.find(ctx, want)
	if err != nil || damage != nil {
		return damage, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.sizes[want.Digest] = want.Size
	return nil, nil
}

// pin keeps content until the ingest ends. It returns the size of content that
// is known to be undamaged.
func (in *Ingest) pin(content digest.Digest) (size int64, known bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return 0, false, errEnded
	}
	if size, known = in.sizes[content]; !known {
		in.store.garbage.pin(content)
		in.pins = append(in.pins, content)
	}
	return size, known, nil
}

// find returns why the store does not have content, which is pinned: a file
// seen without a pin may be gone at once. A file that the records do not tell
// of does not count, nor does one that cannot be read.
func (s *Store) find(ctx context.Context, want ocispec.Descriptor) (*Damage, error) {
	known, err := s.knows(ctx, want.Digest)
	if err != nil {
		return nil, err
	}
	if !known {
		return &Damage{Digest: want.Digest, Path: s.dir, Err: errors.New("there is no record of it")}, nil
	}
	damage := s.verify(ctx, imagestore.Content{Digest: want.Digest, Size: want.Size})
	return damage, class.Wrap(class.Unavailable, ctx.Err())
}

// Write reads content from r to its end, verifies it and makes it durable, and
// returns its descriptor: want with the digest and the size filled in. An
// empty want.Digest means that the digest is unknown; it is SHA-256 then, and
// a want.Size of zero means that the size is unknown too.
//
// Nothing is read from r when the store has the content already, which is
// verified as by [Ingest.Has]; a file that is missing, short or altered is
// replaced. Writing the same content twice is no error. Where want.Size is
// known, at most one byte more than that is read. It takes about 1 MiB of memory,
// whatever the size.
//
// The error is a [*DigestError] or a [*SizeError] when the content is not what
// want says, of class Unavailable when the disk refuses, and the reader's
// when r fails (of class Unavailable, unless it has one).
func (in *Ingest) Write(ctx context.Context, r io.Reader, want ocispec.Descriptor) (ocispec.Descriptor, error) {
	if want.Digest != "" {
		if has, err := in.Has(ctx, want); err != nil || has {
			return want, err
		}
	} else if want.Size < 0 {
		return want, checkDescriptor(want)
	}
	temp, err := in.store.files.create(tempBlob)
	if err != nil {
		return want, err
	}
	got, err := copyContent(ctx, temp, r, want)
	if err == nil {
		err = in.keep(ctx, temp, got)
	}
	if err != nil {
		in.store.discard(temp)
		return want, err
	}
	return got, nil
}

// keep takes over a temporary file, unless its content is there by now.
func (in *Ingest) keep(ctx context.Context, temp *tempFile, got ocispec.Descriptor) error {
	has, err := in.Has(ctx, got)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.ended:
		return errEnded
	case has || in.temps[got.Digest] != nil:
		in.store.discard(temp)
		return nil
	}
	in.temps[got.Digest], in.sizes[got.Digest] = temp, got.Size
	return nil
}

// Commit puts the content in place and runs fn in a transaction, as
// [Store.Edit] does, to create the images that hold it; fn may run again after
// a lost race. When Commit returns nil, both are durable, and content that fn
// made nothing hold is removed. On an error nothing has changed, and the content
// is removed.
//
// Commit ends the Ingest either way. The context no longer matters once fn has
// returned.
func (in *Ingest) Commit(ctx context.Context, fn func(*kvstore.Tx) error) error {
	had, err := in.end()
	if err != nil {
		return err
	}
	s := in.store
	if err := s.gate.enter(s.dir); err != nil {
		s.drop(had)
		return err
	}
	defer s.gate.leave()
	marked, err := s.commit(ctx, had, fn)
	s.drop(had)
	s.sweepFreed(ctx, had.pins, marked)
	return err
}

// commit puts content in place and makes the records that hold it. It returns
// the content that was marked as garbage by then.
func (s *Store) commit(ctx context.Context, had holdings, fn func(*kvstore.Tx) error) ([]digest.Digest, error) {
	if err := s.mark(ctx, had.temps); err != nil {
		return nil, err
	}
	if err := s.place(had.temps); err != nil {
		return nil, err
	}
	// All that is pinned: another ingest may have put some of it in place a
	// moment ago.
	if err := s.files.sync(had.pins); err != nil {
		return nil, err
	}
	return s.edit(ctx, fn)
}

// Close ends the Ingest. Unless it was committed, what it wrote is removed.
// Closing twice, or after Commit, is no error.
func (in *Ingest) Close() error {
	had, err := in.end()
	if err != nil {
		return nil //nolint:nilerr // it has ended already
	}
	s := in.store
	s.drop(had)
	if err := s.gate.enter(s.dir); err != nil {
		return nil //nolint:nilerr // what is garbage now goes when the store is opened next
	}
	defer s.gate.leave()
	s.sweepFreed(context.Background(), had.pins, nil)
	return nil
}

// end takes from the ingest what it has. It can be done once.
func (in *Ingest) end() (holdings, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return holdings{}, errEnded
	}
	in.ended = true
	return in.holdings, nil
}

// mark notes durably that the files to come are garbage until something holds
// them.
func (s *Store) mark(ctx context.Context, temps map[digest.Digest]*tempFile) error {
	if len(temps) == 0 {
		return nil
	}
	_, err := s.edit(ctx, func(tx *kvstore.Tx) error { // they are pinned
		return tx.Images.MarkGarbage(ctx, slices.Sorted(maps.Keys(temps))...)
	})
	return err
}

// place puts the files where they belong. It takes those from temps that it
// has put there.
func (s *Store) place(temps map[digest.Digest]*tempFile) error {
	for _, content := range slices.Sorted(maps.Keys(temps)) {
		if err := s.files.place(temps[content].file.Name(), content); err != nil {
			return err
		}
		delete(temps, content)
	}
	return nil
}

// drop removes the temporary files that are left and ends the pins.
func (s *Store) drop(had holdings) {
	for _, temp := range slices.AppendSeq(had.free, maps.Values(had.temps)) {
		s.discard(temp)
	}
	s.garbage.unpin(had.pins)
}

// sweepFreed removes what is garbage of content that was pinned, and what has
// been marked as garbage.
func (s *Store) sweepFreed(ctx context.Context, pinned, marked []digest.Digest) {
	ctx = context.WithoutCancel(ctx)
	freed := marked
	err := s.Read(ctx, func(tx *kvstore.Tx) error {
		for _, content := range pinned {
			garbage, err := tx.Images.IsGarbage(ctx, content)
			if err != nil {
				return err
			}
			if garbage {
				freed = append(freed, content)
			}
		}
		return nil
	})
	if err != nil {
		s.note(failure{err: err})
	}
	s.sweep(ctx, freed)
}

// discard removes a temporary file. One that cannot be removed waits for the
// next Open.
func (s *Store) discard(temp *tempFile) {
	if err := temp.discard(); err != nil {
		s.log.Warn("cannot remove a temporary file", "error", err)
	}
}
