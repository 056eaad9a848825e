package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/ocilayout"
)

const checkLong = `Look for damage in the store and say what it means, a finding a line: the kind,
the record or file, what is wrong, the images that it concerns, and what a
repair does about it. Records are read and files looked at; their content is
read only with --content, which takes as long as reading the whole store.

--repair mends what it can. It destroys nothing: what it takes out of the
records and directories is kept in the store, in removed-TIME, until you delete
that. An image whose content is missing or altered stays, for loading it again
mends it; with --drop-incomplete it is removed too. See docs/check.md.

In an OCI image layout a repair removes the blobs that nothing in index.json
needs, once they are older than --grace: until then another tool may be about
to list them.

Exit status: 0 when nothing is wrong or all has been repaired, else 1.`

const checkExample = `  jettison check
  jettison check --content --format json
  jettison check --repair
  jettison check --repair --content --drop-incomplete`

// checkFlags are the flags of check.
type checkFlags struct {
	repair, content, drop, quiet bool
	grace                        time.Duration
}

func newCheck(set *settings) *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:     "check [flags]",
		Short:   "Look for damage in the store, and repair it",
		Long:    checkLong,
		Example: checkExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.drop && !flags.repair {
				return errors.New("--drop-incomplete is for a repair: give --repair too")
			}
			if flags.grace < 0 {
				return errors.Errorf("--grace %s: want zero or more", flags.grace)
			}
			return action(func(cmd *cobra.Command, _ []string) error {
				if flags.repair {
					return set.change(cmd, func(store *opened) error { return set.repair(cmd, store, flags) })
				}
				return set.read(cmd, func(store *opened) error { return set.checkStore(cmd, store, flags) })
			})(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.BoolVar(&flags.repair, "repair", false, "mend what can be mended")
	f.BoolVar(&flags.content, "content", false, "read all content and compare it with its digests")
	f.BoolVar(&flags.drop, "drop-incomplete", false, "with --repair, remove images whose content is missing or altered")
	f.DurationVar(&flags.grace, "grace", time.Hour, "with --repair of an OCI image layout, leave files younger than `DURATION`")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// options are the options of the check, whose progress is drawn by the bars.
func (f checkFlags) options(cmd *cobra.Command) (diskstore.CheckOptions, *bars) {
	progress := cmd.ErrOrStderr()
	if f.quiet {
		progress = io.Discard
	}
	drawn := newBars(progress, countBytes)
	return diskstore.CheckOptions{Content: f.content, Progress: drawn.check()}, drawn
}

// checkStore prints what is wrong with the store.
func (s *settings) checkStore(cmd *cobra.Command, store *opened, flags checkFlags) error {
	var findings []check.Finding
	var err error
	if store.layout != nil {
		findings, err = store.layout.Check(cmd.Context(), ocilayout.CheckOptions{Content: flags.content})
	} else {
		opts, drawn := flags.options(cmd)
		findings, err = store.disk.Check(cmd.Context(), opts)
		drawn.finish(err == nil)
	}
	if printErr := s.printFindings(cmd.OutOrStdout(), findings); printErr != nil {
		return printErr
	}
	if err != nil {
		return err
	}
	var text string
	switch {
	case len(findings) > 0:
		text = fmt.Sprintf("Findings: %d. To repair what can be repaired: check --repair", len(findings))
	case flags.content:
		text = "Nothing is wrong"
	default:
		text = "Nothing is wrong with records and files; --content reads the content too"
	}
	s.tell(cmd.ErrOrStderr(), message{Note: text})
	return unlessMended(findings)
}

// repair repairs the store and prints what was wrong with it.
func (s *settings) repair(cmd *cobra.Command, store *opened, flags checkFlags) error {
	if store.layout != nil {
		return s.repairLayout(cmd, store.layout, flags)
	}
	opts, drawn := flags.options(cmd)
	report, err := store.disk.Repair(cmd.Context(), diskstore.RepairOptions{CheckOptions: opts, DropIncomplete: flags.drop})
	drawn.finish(err == nil)
	if report == nil {
		return err
	}
	if err := s.printFindings(cmd.OutOrStdout(), report.Findings); err != nil {
		return err
	}
	left := len(check.Left(report.Findings))
	notes := []string{fmt.Sprintf("Findings: %d, repaired: %d", len(report.Findings), len(report.Findings)-left)}
	if report.Removed != "" {
		notes = append(notes, fmt.Sprintf("What was taken out is in %s (%d files, %s); delete that when you miss nothing",
			report.Removed, report.Files, size(report.Bytes)))
	}
	s.tell(cmd.ErrOrStderr(), message{Note: strings.Join(notes, ". ")})
	if err != nil {
		return err
	}
	return unlessMended(report.Findings)
}

// repairLayout removes what nothing needs in an OCI image layout.
func (s *settings) repairLayout(cmd *cobra.Command, layout *ocilayout.Layout, flags checkFlags) error {
	if flags.drop {
		return misused{errors.New("--drop-incomplete is not for an OCI image layout: delete the images with rmi")}
	}
	grace := flags.grace
	if grace == 0 {
		grace = -1 // the default of the package is another
	}
	findings, err := layout.Repair(cmd.Context(), ocilayout.RepairOptions{
		CheckOptions: ocilayout.CheckOptions{Content: flags.content}, Grace: grace,
	})
	if err != nil {
		return err
	}
	if err := s.printFindings(cmd.OutOrStdout(), findings); err != nil {
		return err
	}
	left := len(check.Left(findings))
	s.tell(cmd.ErrOrStderr(), message{Note: fmt.Sprintf("Findings: %d, repaired: %d", len(findings), len(findings)-left)})
	return unlessMended(findings)
}

// unlessMended is the error of a command that has printed findings which still
// stand.
func unlessMended(findings []check.Finding) error {
	if len(check.Left(findings)) > 0 {
		return &reported{}
	}
	return nil
}

// findingRow is the JSON of a finding.
type findingRow struct {
	Kind            check.Kind
	Key             string `json:",omitempty"`
	Path            string `json:",omitempty"`
	Problem, Repair string
	Images          []string `json:",omitempty"`
	Repaired        bool
}

func (s *settings) printFindings(w io.Writer, findings []check.Finding) error {
	out := printer{w: w}
	for _, f := range findings {
		out.value(s.format, findingRow{
			Kind: f.Kind, Key: f.Key, Path: f.Path, Problem: f.Problem, Repair: f.Repair,
			Images: f.Images, Repaired: f.Repaired,
		}, f.String())
	}
	return out.err
}
