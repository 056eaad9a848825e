package diskstore

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/kvstore"
)

// RepairOptions configure [Store.Repair]. The zero value is the safe one.
type RepairOptions struct {
	CheckOptions
	// DropIncomplete removes the images whose content is missing or altered
	// (rule C6). Without it they stay: loading them again puts it back.
	DropIncomplete bool
}

// A RepairReport says what a repair has done.
type RepairReport struct {
	// Findings are what [Store.Check] would have found, sorted, with what was
	// repaired.
	Findings []check.Finding
	// Removed is the directory that has what was taken out of the store (rule
	// C3); empty if that is nothing.
	Removed string
	// Files and Bytes count the files in it.
	Files int
	Bytes int64
}

// Repair makes the store sound (rules C3 to C7), and says what it did. All
// changes of records are one transaction. It destroys nothing: what it takes
// out of the records and of the directories of the store is kept beside them,
// and frees no space until that is deleted.
//
// The error is of class InvalidArgument when the store is open for reading
// only; else those of Check, and of class Unavailable when the disk refuses.
// When files cannot be moved, the report comes with the error, and another
// Repair can go on. Once the records are changed the context only stops that
// moving. Close waits for a Repair under way.
func (s *Store) Repair(ctx context.Context, opts RepairOptions) (*RepairReport, error) {
	if s.readOnly {
		return nil, s.errReadOnly()
	}
	if err := s.gate.enter(s.dir); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	look := &survey{Store: s, opts: opts.CheckOptions}
	if err := look.files(ctx); err != nil {
		return nil, err
	}
	before, err := kvstore.Check(ctx, s.db, look.options())
	if err != nil {
		return nil, err
	}
	strays, err := look.strays(ctx, before)
	if err != nil {
		return nil, err
	}
	report, out := &RepairReport{}, newAside(s.files)
	report.Findings, err = kvstore.Repair(ctx, s.db, kvstore.RepairOptions{
		CheckOptions: look.options(), DropIncomplete: opts.DropIncomplete, Keep: out.keep,
	})
	if err != nil {
		out.abandon()
		return nil, err
	}
	err = s.moveStrays(ctx, out)
	for _, stray := range strays {
		stray.Repaired = out.moved[stray.Path]
		report.Findings = append(report.Findings, stray.Finding)
	}
	check.Sort(report.Findings)
	report.Removed, report.Files, report.Bytes = out.dir, len(out.moved), out.bytes
	return report, err
}

// moveStrays moves the files out of the way of which the records do not tell,
// now that they are repaired.
func (s *Store) moveStrays(ctx context.Context, out *aside) error {
	now, err := s.list()
	if err != nil {
		return err
	}
	unknown, err := s.unknown(ctx, now.contents)
	for i := 0; err == nil && i < len(unknown); i++ {
		err = s.moveContent(ctx, unknown[i], out)
	}
	for i := 0; err == nil && i < len(now.others); i++ {
		err = out.move(now.others[i])
	}
	if syncing := out.sync(); err == nil {
		err = syncing
	}
	return err
}

// moveContent moves the file of content that the records do not tell of, unless
// an ingest relies on it.
func (s *Store) moveContent(ctx context.Context, content digest.Digest, out *aside) error {
	path, err := s.files.path(content)
	if err != nil {
		return err
	}
	return s.garbage.removeUnpinned(content, func() (bool, error) {
		unknown, err := s.unknown(ctx, []digest.Digest{content})
		if err == nil && len(unknown) > 0 {
			err = out.move(path)
		}
		return false, err // there is no mark to be cleared
	})
}
