package scripttest

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

// A pruneCall is what the flags of a prune say.
type pruneCall struct {
	opts      jettison.PruneOptions
	dryRun    bool
	space     bool
	progress  bool
	cancel    int    // after so many batches
	meanwhile string // after the first
}

// pruneOptions reads the flags of a prune:
//
//	-a  --filter K=V  --keep-last N  --protect PATTERN  --min-age DURATION  --explain  --batch N
//	--keep-storage BYTES
//	--disk HIGH,LOW,USED,TOTAL     marks in percent, and what the disk says
//	--dry-run                      PlanPrune; apply carries the plan out
//	--space                        writes how many kilobytes went
//	--progress                     writes what is reported after each batch
//	--cancel N                     ends the context after N batches; 0 before the first
//	--meanwhile COMMAND            runs a command of a script after the first batch
func (c *call) pruneOptions() (p pruneCall) {
	p.cancel = -1
	flags := flag.NewFlagSet("prune", flag.ContinueOnError)
	flags.BoolVar(&p.opts.All, "a", false, "")
	flags.BoolVar(&p.opts.Explain, "explain", false, "")
	flags.BoolVar(&p.dryRun, "dry-run", false, "")
	flags.BoolVar(&p.space, "space", false, "")
	flags.BoolVar(&p.progress, "progress", false, "")
	flags.IntVar(&p.opts.BatchSize, "batch", 0, "")
	flags.IntVar(&p.cancel, "cancel", -1, "")
	flags.StringVar(&p.meanwhile, "meanwhile", "", "")
	policy := &p.opts.Policy
	flags.IntVar(&policy.KeepLast, "keep-last", 0, "")
	flags.DurationVar(&policy.MinAge, "min-age", 0, "")
	flags.Int64Var(&policy.MaxStorage, "keep-storage", 0, "")
	flags.Func("protect", "", func(text string) error {
		policy.Protect = append(policy.Protect, text)
		return nil
	})
	flags.Func("disk", "", func(text string) (err error) {
		policy.Disk, err = diskMarks(text)
		return err
	})
	flags.Func("filter", "", func(text string) error {
		key, value, _ := strings.Cut(text, "=")
		if p.opts.Filters == nil {
			p.opts.Filters = filter.Args{}
		}
		p.opts.Filters[key] = append(p.opts.Filters[key], value)
		return nil
	})
	c.ts.Check(flags.Parse(c.args))
	if flags.NArg() > 0 {
		c.ts.Fatalf("prune does not take %q", flags.Args())
	}
	return p
}

func diskMarks(text string) (*jettison.DiskMarks, error) {
	var n [4]float64
	for i, part := range strings.SplitN(text, ",", len(n)) {
		var err error
		if n[i], err = strconv.ParseFloat(part, 64); err != nil {
			return nil, err
		}
	}
	return &jettison.DiskMarks{High: n[0], Low: n[1], Usage: func(context.Context) (jettison.DiskUsage, error) {
		return jettison.DiskUsage{Used: int64(n[2]), Total: int64(n[3])}, nil
	}}, nil
}

// prune prunes, and checks what holds whatever the state is: a plan changes
// nothing and says what happens (P9), nothing has changed where there are no
// records, and what was reclaimed is what the store has less (P7).
func (c *call) prune() error {
	p := c.pruneOptions()
	before := c.opened.Dump(c.t)
	plan, err := c.service.PlanPrune(c.t.Context(), p.opts)
	c.same("the plan of a prune", before)
	if p.dryRun {
		c.planned, c.err = plan, err
		if err == nil {
			c.printPrune(p, summarize(plan.Records(), plan.Kept(), plan.SpaceReclaimed()))
		}
		return err
	}
	report, stopped := c.runPrune(p)
	c.err = stopped
	if report == nil {
		c.same("a prune that was not begun", before)
		return stopped
	}
	done := summarize(report.ImagesDeleted, report.Kept, report.SpaceReclaimed)
	if undisturbed := stopped == nil && p.meanwhile == ""; undisturbed {
		said := summarize(plan.Records(), plan.Kept(), plan.SpaceReclaimed())
		if diff := cmp.Diff(said, done); diff != "" {
			c.t.Errorf("the prune is not what the plan says (-plan +done):\n%s", diff)
		}
	}
	if len(report.ImagesDeleted) == 0 && p.meanwhile == "" {
		c.same("a prune without records", before)
	}
	if got, want := report.SpaceReclaimed, contentBytes(before)-contentBytes(c.opened.Dump(c.t)); got != want && p.meanwhile == "" {
		c.t.Errorf("SpaceReclaimed = %d, the store has %d bytes less", got, want)
	}
	c.printPrune(p, done)
	return stopped
}

// A pruneSummary is what a plan or a prune says.
type pruneSummary struct {
	Lines []string
	Space int64
}

func summarize(records []jettison.DeleteResponse, kept []jettison.Kept, space int64) pruneSummary {
	s := pruneSummary{Space: space}
	for _, r := range records {
		s.Lines = append(s.Lines, r.String())
	}
	for _, k := range kept {
		s.Lines = append(s.Lines, fmt.Sprintf("Kept: %s - %s", k.Image, k))
	}
	return s
}

// runPrune prunes with what the script wants to happen on the way.
func (c *call) runPrune(p pruneCall) (*jettison.PruneReport, error) {
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	if p.cancel == 0 {
		cancel()
	}
	batches := 0
	p.opts.Progress = func(at jettison.PruneProgress) {
		batches++
		if p.progress {
			c.printf("Looked at %d of %d, %d kB", at.Looked, at.Total, at.SpaceReclaimed/1000)
		}
		if batches == 1 && p.meanwhile != "" {
			c.runMeanwhile(p.meanwhile)
		}
		if batches == p.cancel {
			cancel()
		}
	}
	return c.service.ImagesPrune(ctx, p.opts)
}

// runMeanwhile runs a command of a script and writes what came of it.
func (c *call) runMeanwhile(command string) {
	words := strings.Fields(command)
	do, ok := scriptCommands()[words[0]]
	if !ok {
		c.ts.Fatalf("unknown command %q", command)
	}
	other := &call{world: c.world, ts: c.ts, args: words[1:]}
	err := do(other)
	for line := range strings.Lines(other.out.String()) {
		c.printf("Meanwhile: %s", strings.TrimSpace(line))
	}
	if err != nil {
		c.printf("Meanwhile: %v", err)
	}
}

func (c *call) printPrune(p pruneCall, s pruneSummary) {
	for _, line := range s.Lines {
		c.printf("%s", line)
	}
	if p.space {
		c.printf("Reclaimed: %d kB", s.Space/1000)
	}
}

// contentBytes is the size of all content in a dump.
func contentBytes(dump []string) int64 {
	var sum int64
	for _, line := range dump {
		var id string
		var size int64
		var holders int
		if n, _ := fmt.Sscanf(line, "content %s size=%d holders=%d", &id, &size, &holders); n == 3 {
			sum += size
		}
	}
	return sum
}
