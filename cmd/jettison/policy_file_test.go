package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// The example in the documentation has every key, is read, and means what is
// said of it.
func TestPolicyExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	example := yamlBlock.FindSubmatch(page)
	if example == nil {
		t.Fatal("docs/policy.md has no YAML")
	}
	entries, err := parsePolicy(example[1])
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, entry := range entries {
		keys = append(keys, entry.key)
	}
	if diff := cmp.Diff(keys, policyKeys()); diff != "" {
		t.Errorf("keys of the example (-got +want):\n%s", diff)
	}
	got, err := parseOptions(t, example[1], "--filter", "label!=pinned", "--keep-last", "5")
	want := jettison.PruneOptions{
		All:     true,
		Filters: filter.Args{"label!": {"keep", "pinned"}, "until": {"72h"}},
		Policy: jettison.Policy{
			KeepLast: 5, Protect: []string{"base", "*/release:*"}, MinAge: 24 * time.Hour, MaxStorage: 20 << 30,
			Disk: &jettison.DiskMarks{High: 85, Low: 70},
		},
	}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreFields(jettison.DiskMarks{}, "Usage")); err != nil || diff != "" {
		t.Errorf("options of the example: error %v (-got +want):\n%s", err, diff)
	}
}

// parseOptions returns what a policy and a command line ask for together.
func parseOptions(t *testing.T, policy []byte, args ...string) (jettison.PruneOptions, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(name, policy, 0o600); err != nil {
		t.Fatal(err)
	}
	var flags pruneFlags
	set := pflag.NewFlagSet("prune", pflag.ContinueOnError)
	flags.register(set)
	if err := set.Parse(append(args, "--policy", name)); err != nil {
		t.Fatal(err)
	}
	return flags.options(set, t.TempDir())
}

// FuzzPolicy: whatever the text, reading a policy does not panic, and what is
// read has known keys, each once, with values.
func FuzzPolicy(f *testing.F) {
	for _, text := range []string{
		"all: true\nkeep-last: 3\n", "protect: [base, 'app:*']\n", "filter:\n  - until=24h\n", "# nothing\n",
		"all: &a true\nall: *a\n", "<<: {all: true}\n", "? [x]\n: y\n", "keep-last: {a: b}\n", "- all\n", "---\n---\n", "\x00", "a: b: c",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parsePolicy(text)
		if err != nil {
			return
		}
		var seen []string
		for _, entry := range entries {
			if !slices.Contains(policyKeys(), entry.key) || slices.Contains(seen, entry.key) {
				t.Errorf("key %q is unknown or there twice", entry.key)
			}
			if len(entry.values) == 0 || slices.Contains(entry.values, "") {
				t.Errorf("key %q has an empty value: %q", entry.key, entry.values)
			}
			seen = append(seen, entry.key)
		}
	})
}
