package diskstore

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/kvstore"
)

// A listing is what lies below a store's directories.
type listing struct {
	// contents are the names in blobs/ that are digests.
	contents []digest.Digest
	// others are the paths of what a store never puts there.
	others []string
}

// list lists what lies in blobs/ and ingest/. Files in ingest/ belong to those
// who write, so they count only where nobody does.
func (s *Store) list() (listing, error) {
	var l listing
	written := s.hasWriter()
	root := filepath.Join(s.dir, "blobs")
	for _, entry := range []struct {
		dir string
		add func(dir string, entry fs.DirEntry)
	}{
		{root, func(dir string, entry fs.DirEntry) {
			if !entry.IsDir() || !isAlgorithm(entry.Name()) {
				l.others = append(l.others, filepath.Join(dir, entry.Name()))
			}
		}},
		{s.files.ingestDir(), func(dir string, entry fs.DirEntry) {
			if !written && !s.hasWriter() || !entry.Type().IsRegular() {
				l.others = append(l.others, filepath.Join(dir, entry.Name()))
			}
		}},
	} {
		if err := readDir(entry.dir, entry.add); err != nil {
			return l, err
		}
	}
	for _, algorithm := range algorithms() {
		err := readDir(filepath.Join(root, algorithm.String()), func(dir string, entry fs.DirEntry) {
			content := digest.NewDigestFromEncoded(algorithm, entry.Name())
			if content.Validate() == nil {
				l.contents = append(l.contents, content)
			} else {
				l.others = append(l.others, filepath.Join(dir, entry.Name()))
			}
		})
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

func isAlgorithm(name string) bool {
	for _, algorithm := range algorithms() {
		if name == algorithm.String() {
			return true
		}
	}
	return false
}

// readDir calls fn for what lies in a directory. One that is not there, or is
// a file, has nothing.
func readDir(dir string, fn func(dir string, entry fs.DirEntry)) error {
	entries, err := os.ReadDir(dir)
	if info, statErr := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || statErr == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	for _, entry := range entries {
		fn(dir, entry)
	}
	return nil
}

// A stray is a file that nothing knows of. Content is its digest, if its name
// is one.
type stray struct {
	check.Finding
	content digest.Digest
}

// strays returns the listed files that nothing knows of, neither a record nor a
// finding about a record.
func (s *survey) strays(ctx context.Context, findings []check.Finding) ([]stray, error) {
	needed := make(map[digest.Digest]bool)
	for _, f := range findings {
		if content, ok := strings.CutPrefix(f.Key, "content/"); ok {
			needed[digest.Digest(content)] = true
		}
	}
	unknown, err := s.unknown(ctx, s.listing.contents)
	if err == nil { // again: content that was loaded meanwhile is known now
		unknown, err = s.unknown(ctx, unknown)
	}
	if err != nil {
		return nil, err
	}
	var strays []stray
	for _, content := range unknown {
		path, err := s.Store.files.path(content)
		if err == nil && !needed[content] {
			strays = append(strays, stray{strayFile(path, "no record tells of this content, so it would never be freed"), content})
		}
	}
	for _, path := range s.listing.others {
		strays = append(strays, stray{Finding: strayFile(path, "a store has no such file")})
	}
	return strays, nil
}

func strayFile(path, problem string) check.Finding {
	return check.Finding{
		Kind: check.StrayFile, Path: path, Problem: problem,
		Repair: "it is moved out of the way",
	}
}

// unknown returns those of the contents of which the records do not tell, though
// their files are there.
func (s *Store) unknown(ctx context.Context, contents []digest.Digest) ([]digest.Digest, error) {
	var unknown []digest.Digest
	err := s.Read(ctx, func(tx *kvstore.Tx) error {
		for _, content := range contents {
			known, err := knownIn(ctx, tx, content)
			if err != nil {
				return err
			}
			if !known && s.files.exists(content) {
				unknown = append(unknown, content)
			}
		}
		return nil
	})
	return unknown, err
}

// knownIn reports whether something holds the content, or it is garbage.
func knownIn(ctx context.Context, tx *kvstore.Tx, content digest.Digest) (bool, error) {
	known, err := tx.Images.HoldsContent(ctx, content)
	if err == nil && !known {
		known, err = tx.Images.IsGarbage(ctx, content)
	}
	return known, err
}

// exists reports whether there is something where the content belongs.
func (b *blobs) exists(content digest.Digest) bool {
	path, err := b.path(content)
	if err != nil {
		return false
	}
	_, err = os.Lstat(path)
	return err == nil
}
