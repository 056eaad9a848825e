// Package scripttest runs scenarios of deletion, as scripts, on any backend. The
// first line of a scenario names the rules that it shows.
//
// Commands that make the state:
//
//	image NAME [parent=NAME] [layers=A,B] [size=BYTES] [platform=OS/ARCH/VARIANT]
//	           [labels=K=V,K=V] [created=AGE] [used=AGE]
//	                           size is that of each layer; an AGE is a duration before now
//	index NAME [created=AGE] [attest=I,I] MEMBER...  an index of images, each
//	                           PLATFORM=LAYER,LAYER [created=AGE] [labels=K=V,K=V]; attest numbers
//	                           those, from 1, that an attestation is about. {NAME/1} is the first manifest
//	artifact NAME [SUBJECT]        an image about a digest
//	known NAME REF                 the image that REF means now is called NAME
//	twins NAME NAME                two images whose IDs begin with the same four digits
//	tag IMAGE REF...               references with a tag or a digest; -f moves them
//	container NAME IMAGE [running] [mounts=IMAGE,...]     IMAGE may be "-"
//	containers                     those that are there, by name
//	start|exit|discard CONTAINER
//	lease IMAGE KIND OWNER [EXPIRES]   EXPIRES is a duration from now
//	release OWNER
//	list NAME IMAGE...             a list of images that is an image of its own
//	lose|garble IMAGE manifest|config  the document is gone, or no document any more
//	damage IMAGE                   its record becomes unreadable
//	forget IMAGE                   its record goes, what names it stays
//	relink IMAGE PARENT            the store says from now on that this is its parent
//	fail untag|delete|replace|container N  the N-th such write of each update fails; 0 ends it
//	fail containers N                      from the N-th on all removals of containers fail
//	digests                        the store knows the images by the digests that are their IDs
//	complete PREFIX...             the store completes short names with these, the likeliest first
//	use IMAGE AGE                  the image was last used then
//	clock +DURATION
//
// Commands that do and show:
//
//	rmi [-f] [--no-prune] [--platform P]... [--remove-containers] [--ignore] REF...    ImagesDelete
//	plan [-f] ... REF...           what rmi would do, and what it keeps and why
//	prune [flags]                  ImagesPrune; with --dry-run PlanPrune. Flags: see call.pruneOptions
//	apply                          carries out the last plan
//	race N [-f] ... REF            N deletions at once; how many printed what
//	together [-f] ... REF...       a deletion for each, at once
//	events                         those sent since the last time
//	state                          references, images and layers with their holders
//	class CLASS                    the last error is of this class and of no other
//	why                            the last error with everything that stands in the way
//	warnings                       those of the store since the last time
//
// IDs are written by name, in arguments and in output: {app} is the full ID of
// the image app, {app:12} are its first twelve digits, {app:hex} all of them;
// {web:12} likewise of the container web; {layer:a/b} is the chain ID of the
// layers a and b; {digest:x} is a digest of no image. Records go to stdout,
// errors to stderr. The condition [atomic] holds where the stores share a
// transaction, [removes] where containers can be removed, [binding] where an image
// cannot be deleted before its containers, [keeping] where a stopped one keeps its
// image when force takes the last name from it.
//
// Besides, each rmi and each prune checks what holds in every scenario; see
// world.remove and call.prune.
package scripttest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jettison-oci/jettison/internal/backends"
)

// Run runs the scenarios that match the patterns, as [filepath.Glob] knows
// them, and that the backend can be in. At least a third of them must be.
func Run(t *testing.T, backend backends.Backend, patterns ...string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Files:               scriptsFor(t, backend, patterns),
		RequireExplicitExec: true,
		Cmds:                commands(),
		Condition:           backendCondition(backend),
		Setup: func(env *testscript.Env) error {
			t, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("scripts need a testing.TB, not a %T", env.T())
			}
			env.Values[worldKey{}] = newWorld(t, backend)
			return nil
		},
	})
}

// scriptsFor returns the scenarios that a backend can be in.
func scriptsFor(t *testing.T, b backends.Backend, patterns []string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no scripts %s: %v", pattern, err)
		}
		all = append(all, found...)
	}
	var able []string
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if missing := MissingFor(string(data), b); missing == "" {
			able = append(able, path)
		} else {
			t.Logf("%s: not on %s, which has no %s", path, b.Name, missing)
		}
	}
	if len(able) < len(all)/3 {
		t.Errorf("only %d of %d scripts run", len(able), len(all))
	}
	return able
}

// MissingFor says what a scenario takes that the backend does not declare.
func MissingFor(script string, b backends.Backend) string {
	switch {
	case !b.Parents && regexp.MustCompile(` parent=|(?m)^relink `).MatchString(script):
		return "parents"
	case !b.Dangling && regexp.MustCompile(`(?m)^forget `).MatchString(script):
		return "references to missing images"
	case !b.Platforms && regexp.MustCompile(`(?m)^index `).MatchString(script):
		return "indexes that the tests make"
	case !b.Referrers && regexp.MustCompile(`(?m)^artifact |:sha256-`).MatchString(script):
		return "artifacts that the tests make"
	case !b.RemovesContainers && regexp.MustCompile(`(?m)^[^\[\n]*--remove-containers`).MatchString(script):
		return "containers that can be removed"
	case !b.Mounts && regexp.MustCompile(`(?m)^container .* mounts=`).MatchString(script):
		return "images that containers mount"
	case !b.Unreadable && regexp.MustCompile(`(?m)^damage `).MatchString(script):
		return "records that are damaged by themselves"
	case !b.Lists && regexp.MustCompile(`(?m)^list `).MatchString(script):
		return "lists that are images of their own"
	case !b.Documents && regexp.MustCompile(`(?m)^(lose|garble) `).MatchString(script):
		return "documents that can be lost"
	case b.Binding && takesBindingForSoft(script):
		return "images that go before their containers"
	case !b.Content && regexp.MustCompile(`(?m) size=[0-9]|--keep-storage|--disk`).MatchString(script):
		return "content that is known to the byte"
	case b.Manifest != nil && regexp.MustCompile(`(?m)^(stdout|cmp).*(bytes|reclaim)|[Rr]eclaim`).MatchString(script):
		return "content that is known to the byte"
	}
	return ""
}

// takesBindingForSoft reports whether a scenario forces an image away from under a
// container, or looks at the order of such conflicts; one that knows the difference
// asks for it.
func takesBindingForSoft(script string) bool {
	if strings.Contains(script, "[!binding] ") || !regexp.MustCompile(`(?m)^container `).MatchString(script) {
		return false
	}
	call := regexp.MustCompile(`^(! )?(rmi|plan|race) .*-f|^why$|^lease |must be forced.*stopped container`)
	for line := range strings.Lines(script) {
		if call.MatchString(strings.TrimSpace(line)) && !strings.Contains(line, "--remove-containers") {
			return true
		}
	}
	return false
}

func backendCondition(b backends.Backend) func(string) (bool, error) {
	return func(condition string) (bool, error) {
		switch condition {
		case "atomic":
			return b.Atomic, nil
		case "removes":
			return b.RemovesContainers, nil
		case "binding":
			return b.Binding, nil
		case "keeping":
			return b.Keeping, nil
		}
		return false, fmt.Errorf("unknown condition %q", condition)
	}
}

type worldKey struct{}

// A call is one command of a script.
type call struct {
	*world
	ts   *testscript.TestScript
	args []string
	out  strings.Builder
	// silent says that the command writes nothing on success.
	silent bool
}

// A scriptCommand returns an error when what it is to do fails. A script that
// is wrong ends at once.
type scriptCommand func(*call) error

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	found := make(map[string]func(*testscript.TestScript, bool, []string))
	for name, do := range scriptCommands() {
		found[name] = do.run
	}
	return found
}

func scriptCommands() map[string]scriptCommand {
	return map[string]scriptCommand{
		"image": (*call).image, "index": (*call).index, "artifact": (*call).artifact, "known": (*call).known, "twins": (*call).twins, "tag": (*call).tag,
		"container": (*call).container, "containers": (*call).containers, "start": (*call).start, "exit": (*call).exit, "discard": (*call).discard,
		"lease": (*call).lease, "release": (*call).release,
		"damage": (*call).damage, "forget": (*call).forget, "relink": (*call).relink,
		"fail": (*call).fail, "complete": (*call).complete, "digests": (*call).digests, "clock": (*call).clock, "use": (*call).use, "prune": (*call).prune,
		"rmi": (*call).rmi, "plan": (*call).plan, "apply": (*call).apply, "race": (*call).race, "together": (*call).together,
		"list": (*call).list, "lose": (*call).lose, "garble": (*call).garble, "warnings": (*call).warnings,
		"events": (*call).events, "state": (*call).state, "class": (*call).class, "why": (*call).why,
	}
}

// run makes the command one of testscript's: IDs are written by name on the
// way in and on the way out.
func (do scriptCommand) run(ts *testscript.TestScript, neg bool, args []string) {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	c := &call{world: w, ts: ts}
	for _, arg := range args {
		full, err := w.names.expand(arg)
		ts.Check(err)
		c.args = append(c.args, full)
	}
	err := do(c)
	if !c.silent { // else what the command before wrote can still be looked at
		_, _ = fmt.Fprint(ts.Stdout(), w.names.shorten(c.out.String()))
	}
	if err != nil {
		_, _ = fmt.Fprintln(ts.Stderr(), w.names.shorten(err.Error()))
	}
	switch {
	case neg && err == nil:
		ts.Fatalf("unexpected success")
	case !neg && err != nil:
		ts.Fatalf("unexpected failure")
	}
}

// need ends a script whose command lacks arguments.
func (c *call) need(n int) {
	if len(c.args) < n {
		c.ts.Fatalf("want %d arguments, got %q", n, c.args)
	}
}

func (c *call) printf(format string, args ...any) { _, _ = fmt.Fprintf(&c.out, format+"\n", args...) }

// fields splits key=value arguments from the rest.
func (c *call) fields() (rest []string, values map[string]string) {
	values = make(map[string]string)
	for _, arg := range c.args {
		if key, value, ok := strings.Cut(arg, "="); ok {
			values[key] = value
		} else {
			rest = append(rest, arg)
		}
	}
	return rest, values
}

func (c *call) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	c.ts.Check(err)
	return d
}
