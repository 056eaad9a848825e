package diskstore

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
	"github.com/jettison-oci/jettison/kvstore"
)

// Damage says that content which an image holds is missing, cut short or
// altered. As an error it is of class Internal (rule E3).
type Damage struct {
	// Digest names the content.
	Digest digest.Digest
	// Path is the file in which it should be.
	Path string
	// Err says what is wrong. For a file that is missing it wraps
	// [fs.ErrNotExist].
	Err error
}

// Error names the file, what is wrong with it and what to do.
func (d *Damage) Error() string {
	return d.Path + " is damaged: " + d.Err.Error() + "; load an image that has it again, or delete those that hold it"
}

// Unwrap returns what is wrong.
func (d *Damage) Unwrap() error { return d.Err }

// System marks the error as of class Internal.
func (d *Damage) System() {}

// Is makes the error match the sentinel of its class.
func (d *Damage) Is(target error) bool { return target == class.Internal }

// Blob opens content that an image or a layer holds. Reading it to the end
// verifies it: in place of io.EOF comes a [*Damage] when it is not what its
// digest says. Whoever has it open can read on when it is deleted meanwhile.
//
// An index, which is kept among the records, is read from there (see
// [imagestore.Store.Document]).
//
// The error is of class NotFound when nothing holds such content,
// InvalidArgument when the digest is malformed, and a *Damage when the file is
// missing. That another process deletes the image at that moment is NotFound,
// never a Damage.
func (s *Store) Blob(ctx context.Context, content digest.Digest) (io.ReadCloser, error) {
	path, err := s.files.path(content)
	if err != nil {
		return nil, err
	}
	f, err := s.openHeld(ctx, content, path)
	if errors.Is(err, errNotHeld) {
		return s.document(ctx, content)
	}
	if err != nil {
		return nil, err
	}
	return readers.Verify(f, content, func(err error) error {
		if errors.Is(err, readers.ErrAltered) {
			return &Damage{Digest: content, Path: f.Name(), Err: err}
		}
		return unavailable(err)
	}), nil
}

// errNotHeld says that nothing holds content.
var errNotHeld = class.Errorf(class.NotFound, "nothing holds the content")

// document opens an index.
func (s *Store) document(ctx context.Context, dgst digest.Digest) (io.ReadCloser, error) {
	var data []byte
	err := s.Read(ctx, func(tx *kvstore.Tx) (err error) {
		data, err = tx.Images.Document(ctx, dgst)
		return err
	})
	if errors.Is(err, class.NotFound) {
		err = class.Errorf(class.NotFound, "no content %s in store %s", dgst, s.dir)
	}
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// openHeld opens the file of content that something holds. The file comes before
// the record and goes after it. So a file that is missing although the record is
// there may have come in between, and is looked for once more.
func (s *Store) openHeld(ctx context.Context, content digest.Digest, path string) (*os.File, error) {
	for missing := false; ; missing = true {
		f, openErr := os.Open(path)
		held, err := s.holds(ctx, content)
		if err == nil && held && openErr == nil {
			return f, nil
		}
		_ = f.Close() // nothing was written; no file, no harm
		switch {
		case err != nil:
			return nil, err
		case !held:
			return nil, errNotHeld
		case !errors.Is(openErr, fs.ErrNotExist):
			return nil, unavailable(openErr)
		case missing:
			return nil, &Damage{Digest: content, Path: path, Err: openErr}
		}
		s.garbage.pin(content) // so that this process does not remove it twice
		defer s.unkeep(ctx, content)
	}
}

// unkeep ends a pin, and removes what is garbage by then.
func (s *Store) unkeep(ctx context.Context, content digest.Digest) {
	contents := []digest.Digest{content}
	s.garbage.unpin(contents)
	if s.readOnly || s.gate.enter(s.dir) != nil {
		return
	}
	defer s.gate.leave()
	s.sweepFreed(ctx, contents, nil)
}

// knows says whether the records tell of the content: something holds it, or it
// is marked as garbage. Of a file that they do not tell of nothing is known.
func (s *Store) knows(ctx context.Context, content digest.Digest) (bool, error) {
	var known bool
	err := s.Read(ctx, func(tx *kvstore.Tx) (err error) {
		known, err = knownIn(ctx, tx, content)
		return err
	})
	return known, err
}

// holds says whether an image or a layer holds the content.
func (s *Store) holds(ctx context.Context, content digest.Digest) (bool, error) {
	var held bool
	err := s.Read(ctx, func(tx *kvstore.Tx) (err error) {
		held, err = tx.Images.HoldsContent(ctx, content)
		return err
	})
	return held, err
}

// Verify reads all content that images and layers hold, and returns what is
// damaged, sorted by digest. Deletions may go on meanwhile: what they take is
// not reported. On an error the damage found before comes back with it; the
// error of an unreadable record, or of the document of an index, comes after all
// else has been verified.
func (s *Store) Verify(ctx context.Context) ([]Damage, error) {
	contents, unreadable, err := s.contents(ctx)
	if err != nil {
		return nil, err
	}
	var found []Damage
	for _, content := range contents {
		if err := ctx.Err(); err != nil {
			return found, class.Wrap(class.Unavailable, err)
		}
		damage, err := s.verifyHeld(ctx, content)
		if err != nil {
			return found, err
		}
		if damage != nil {
			found = append(found, *damage)
		}
	}
	return found, unreadable
}

// verifyHeld returns what is wrong with content that something holds. What is
// wrong with it at a moment when it comes or goes shows only once.
func (s *Store) verifyHeld(ctx context.Context, content imagestore.Content) (*Damage, error) {
	for again := false; ; again = true {
		damage := s.verify(ctx, content)
		if damage == nil {
			return nil, nil
		}
		held, err := s.holds(ctx, content.Digest)
		if err != nil || !held {
			return nil, err
		}
		if again {
			return damage, nil
		}
		s.garbage.pin(content.Digest) // as in openHeld
		defer s.unkeep(ctx, content.Digest)
	}
}

// contents returns all content that is recorded, and the first error of a
// record that cannot be read.
func (s *Store) contents(ctx context.Context) (contents []imagestore.Content, unreadable, err error) {
	err = s.Read(ctx, func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Contents(ctx) {
			var damaged *imagestore.UnreadableError
			switch {
			case err == nil:
				contents = append(contents, content)
			case !errors.As(err, &damaged):
				return err
			case unreadable == nil:
				unreadable = err
			}
		}
		for _, err := range tx.Images.Documents(ctx) {
			if err != nil && unreadable == nil {
				unreadable = err
			}
		}
		return nil
	})
	return contents, unreadable, err
}

// verify returns what is wrong with the file of the content, or nil.
func (s *Store) verify(ctx context.Context, content imagestore.Content) *Damage {
	path, err := s.files.path(content.Digest)
	if err != nil {
		return &Damage{Digest: content.Digest, Path: s.dir, Err: errors.New(err.Error())} // not of two classes
	}
	if err := verifyFile(ctx, path, content, func(int64) {}); err != nil {
		return &Damage{Digest: content.Digest, Path: path, Err: err}
	}
	return nil
}

// verifyFile returns what is wrong with a file. It tells progress how many bytes
// it has read.
func verifyFile(ctx context.Context, path string, content imagestore.Content, progress func(n int64)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() != content.Size:
		return errSize(info.Size(), content.Size)
	}
	verifier := content.Digest.Verifier()
	if _, err := io.Copy(verifier, &counter{r: readers.Until(ctx, f), progress: progress}); err != nil {
		return err
	}
	if !verifier.Verified() {
		return readers.ErrAltered
	}
	return nil
}

func errSize(got, want int64) error { return errors.Errorf("it has %d bytes, not %d", got, want) }

// A counter tells how much was read.
type counter struct {
	r        io.Reader
	n        int64
	progress func(n int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.progress(c.n)
	return n, err
}
