package ocilayout

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
)

// RepairOptions configure [Layout.Repair].
type RepairOptions struct {
	CheckOptions
	// Grace is the age that a file must have before it is removed: a younger one
	// may belong to an image that another tool is copying into the layout. Zero
	// means one hour, and a negative value removes files of any age.
	Grace time.Duration
}

// Repair removes the files that nothing needs, and returns what Check would have
// found, with what was repaired. It touches neither index.json nor a blob that
// something in it needs; where that lists something of an unknown sort, nobody
// knows what is needed, and no blob is removed. What it cannot remove stays a
// finding.
func (l *Layout) Repair(ctx context.Context, opts RepairOptions) ([]check.Finding, error) {
	if opts.Grace == 0 {
		opts.Grace = time.Hour
	}
	var findings []check.Finding
	err := l.update(ctx, func(tx *transaction) error {
		a := &audit{transaction: tx, opts: opts.CheckOptions, needed: make(map[digest.Digest]*need)}
		if err := a.look(ctx); err != nil {
			return err
		}
		strays, err := a.strays()
		if err != nil {
			return err
		}
		for _, s := range strays {
			finding := s.finding()
			if opts.Grace < 0 || time.Since(s.modified) >= opts.Grace {
				finding.Repaired = l.fs.Remove(s.path) == nil
			} else {
				finding.Repair = "left, for it is younger than " + opts.Grace.String()
			}
			a.findings = append(a.findings, finding)
		}
		check.Sort(a.findings)
		findings = a.findings
		return nil
	})
	if err != nil {
		return nil, err
	}
	return findings, nil
}

// A stray is a file that nothing needs.
type stray struct {
	path     string
	modified time.Time
	problem  string
}

func (s stray) finding() check.Finding {
	return check.Finding{Kind: check.StrayFile, Path: s.path, Problem: s.problem, Repair: "remove it"}
}

// strays finds the files that nothing needs: blobs, and what a crash has left of
// files that were being written.
func (a *audit) strays() ([]stray, error) {
	root := filepath.Join(a.dir, ocispec.ImageBlobsDir)
	algorithms, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, systemError(err)
	}
	dirs := []string{a.dir}
	for _, alg := range algorithms {
		if alg.IsDir() {
			dirs = append(dirs, filepath.Join(root, alg.Name()))
		}
	}
	var found []stray
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, systemError(err)
		}
		for _, e := range entries {
			if problem := a.strayProblem(dir, e); problem != "" {
				found = append(found, newStray(filepath.Join(dir, e.Name()), e, problem))
			}
		}
	}
	return found, nil
}

func newStray(path string, e fs.DirEntry, problem string) stray {
	s := stray{path: path, problem: problem}
	if info, err := e.Info(); err == nil {
		s.modified = info.ModTime()
	}
	return s
}

// strayProblem says why nothing needs a file, or nothing. Files of a sort that
// neither this package nor the specification knows are left alone.
func (a *audit) strayProblem(dir string, e fs.DirEntry) string {
	switch {
	case !e.Type().IsRegular():
		return ""
	case strings.HasPrefix(e.Name(), tempPrefix) && e.Name() != lockFile:
		return "a crash has left it while it was being written"
	case dir == a.dir || a.opaque || a.lost():
		return ""
	}
	blob := digest.NewDigestFromEncoded(digest.Algorithm(filepath.Base(dir)), e.Name())
	if blob.Validate() != nil || a.wants(blob) || a.isNeeded(blob) {
		return ""
	}
	return "no image needs it"
}

// lost reports whether there is an image of which it is not known what it needs,
// because a manifest is missing or altered: once it is deleted, or copied into
// the layout again, it will be.
func (a *audit) lost() bool {
	for _, img := range a.images {
		if len(img.trees) < len(img.targets) || slices.ContainsFunc(img.trees, func(t *tree) bool { return len(t.damage) > 0 }) {
			return true
		}
	}
	return false
}

// isNeeded reports whether an image that cannot be read needs the blob, as far
// as it can be known.
func (a *audit) isNeeded(blob digest.Digest) bool {
	_, needed := a.needed[blob]
	return needed
}

func sortedKeys(m map[digest.Digest]*need) []digest.Digest { return slices.Sorted(maps.Keys(m)) }
