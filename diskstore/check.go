package diskstore

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
	"github.com/jettison-oci/jettison/kvstore"
)

// CheckOptions configure [Store.Check]. The zero value looks at records and at
// the sizes of files.
type CheckOptions struct {
	// Content reads all content and compares it with its digests.
	Content bool
	// Progress, if not nil, is called while content is read, one call at a time.
	// It may use the store.
	Progress func(CheckProgress)
}

// CheckProgress says how far a check of content is.
type CheckProgress struct {
	// Content is what is being read.
	Content digest.Digest
	// Done and Total are numbers of bytes of all content.
	Done, Total int64
}

// Check looks at all records and files and returns what is wrong, sorted (rules
// C1 and C2). It changes nothing, and a store that is open for reading only can
// be checked. Nothing wrong is no finding and no error. Others may work on the
// store meanwhile; what they change may or may not be seen.
//
// The error is of class Unavailable when the context ends or the system refuses
// to list files, and a [*boltkv.DamagedError] when the file of the records
// cannot be read. What was found in files before comes back with it.
func (s *Store) Check(ctx context.Context, opts CheckOptions) ([]check.Finding, error) {
	look := &survey{Store: s, opts: opts}
	if err := look.files(ctx); err != nil {
		return look.found(), err
	}
	findings, err := kvstore.Check(ctx, s.db, look.options())
	if err != nil {
		return look.found(), err
	}
	strays, err := look.strays(ctx, findings)
	for _, stray := range strays {
		findings = append(findings, stray.Finding)
	}
	check.Sort(findings)
	return findings, err
}

// A survey is a look at the files of a store, beside its records.
type survey struct {
	*Store
	opts    CheckOptions
	listing listing
	damaged map[digest.Digest]check.Finding
	sizes   map[digest.Digest]int64
	// done and total are numbers of bytes.
	done, total int64
}

// files lists the files and looks at those of the content that is recorded.
// Listing them first makes sure that a file which the records do not tell of
// later was no file that they told of before.
func (s *survey) files(ctx context.Context) (err error) {
	s.damaged, s.sizes = make(map[digest.Digest]check.Finding), make(map[digest.Digest]int64)
	if s.listing, err = s.list(); err != nil {
		return err
	}
	contents, _, err := s.contents(ctx) // unreadable records are found by kvstore
	if err != nil {
		return err
	}
	for _, content := range contents {
		s.total += content.Size
	}
	for _, content := range contents {
		if err := s.look(ctx, content); err != nil {
			return err
		}
	}
	return nil
}

// look examines the file of content, and notes what is wrong with it.
func (s *survey) look(ctx context.Context, content imagestore.Content) error {
	delete(s.damaged, content.Digest)
	finding, size, err := s.examine(ctx, content)
	switch {
	case err != nil:
		return err
	case finding != nil:
		s.damaged[content.Digest] = *finding
	case size != content.Size:
		s.sizes[content.Digest] = size
	}
	s.done += content.Size
	return nil
}

// examine returns what is wrong with the file of content, or nil and its size,
// which need not be the recorded one.
func (s *survey) examine(ctx context.Context, content imagestore.Content) (*check.Finding, int64, error) {
	path, err := s.Store.files.path(content.Digest)
	if err != nil { // found by kvstore as a key that means nothing
		return nil, content.Size, nil //nolint:nilerr // it is no content
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missingContent(path), 0, nil
	case err != nil:
		return inaccessibleContent(path, err), 0, nil
	case !info.Mode().IsRegular():
		return alteredContent(path, "something that is no file is in its place"), 0, nil
	case info.Size() == content.Size && !s.opts.Content:
		return nil, content.Size, nil
	}
	err = verifyFile(ctx, path, imagestore.Content{Digest: content.Digest, Size: info.Size()}, s.progress(content))
	switch {
	case ctx.Err() != nil:
		return nil, 0, class.Wrap(class.Unavailable, ctx.Err())
	case err == nil:
		return nil, info.Size(), nil
	case !errors.Is(err, readers.ErrAltered):
		return inaccessibleContent(path, err), 0, nil
	case info.Size() != content.Size:
		return alteredContent(path, errSize(info.Size(), content.Size).Error()), 0, nil
	}
	return alteredContent(path, readers.ErrAltered.Error()), 0, nil
}

// progress returns what tells of bytes of the content that were read.
func (s *survey) progress(content imagestore.Content) func(n int64) {
	if s.opts.Progress == nil || !s.opts.Content {
		return func(int64) {}
	}
	return func(n int64) {
		s.opts.Progress(CheckProgress{Content: content.Digest, Done: s.done + min(n, content.Size), Total: s.total})
	}
}

const loadAgain = "load the image again, which puts the content back; a repair that drops incomplete images removes those that need it"

func missingContent(path string) *check.Finding {
	return &check.Finding{Kind: check.MissingContent, Path: path, Problem: "the file is not there", Repair: loadAgain}
}

func alteredContent(path, problem string) *check.Finding {
	return &check.Finding{Kind: check.AlteredContent, Path: path, Problem: problem, Repair: loadAgain}
}

func inaccessibleContent(path string, err error) *check.Finding {
	return &check.Finding{
		Kind: check.InaccessibleContent, Path: path,
		Problem: "the file cannot be read: " + err.Error(),
		Repair:  "see to the rights or to the disk; nothing is changed",
	}
}

// options are what the check of the records should know.
func (s *survey) options() kvstore.CheckOptions {
	return kvstore.CheckOptions{Open: s.open, Sizes: s.sizes, Damaged: s.lookAgain}
}

// lookAgain examines what was damaged: it may have been put back since, or may
// only not be read now, for which no image is dropped (rule C6). In a repair,
// whoever does that from now on waits for the transaction, and makes the records
// anew.
func (s *survey) lookAgain(ctx context.Context) (map[digest.Digest]check.Finding, error) {
	again := &survey{Store: s.Store, opts: CheckOptions{Content: true}}
	for _, content := range slices.Sorted(maps.Keys(s.damaged)) {
		// Of which size it should be does not matter: its digest decides.
		finding, _, err := again.examine(ctx, imagestore.Content{Digest: content, Size: -1})
		if err != nil {
			return nil, err
		}
		switch {
		case finding == nil:
			delete(s.damaged, content)
		case finding.Kind == check.InaccessibleContent:
			s.damaged[content] = *finding
		}
	}
	return s.damaged, nil
}

// open opens the file of content, whatever the records say.
func (s *survey) open(_ context.Context, content digest.Digest) (io.ReadCloser, error) {
	path, err := s.Store.files.path(content)
	if err != nil {
		return nil, class.Errorf(class.NotFound, "no content %s", content)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular():
		return nil, class.Errorf(class.NotFound, "no file %s", path)
	case err != nil:
		return nil, unavailable(err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unavailable(err) // and no file that is nil in an interface that is not
	}
	return f, nil
}

// found returns what was found in files so far, sorted.
func (s *survey) found() []check.Finding {
	findings := slices.Collect(maps.Values(s.damaged))
	check.Sort(findings)
	return findings
}
