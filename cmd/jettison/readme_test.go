package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	session = regexp.MustCompile(`(?m)(?:^    .*\n)*^    \$ jettison .*\n(?:^    .*\n)*`)
	longID  = regexp.MustCompile(`sha256:([0-9a-f]{12})[0-9a-f]{52}`)
	shortID = regexp.MustCompile(`\([0-9a-f]{12}\)`) // of containers, which are made up
)

// The session in the README prints what the README says.
func TestREADMESession(t *testing.T) {
	t.Chdir("../..")
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("JETTISON_STORE", t.TempDir())
	var got string
	compared := 0
	for line := range strings.Lines(session.FindString(string(page))) {
		line = strings.TrimPrefix(line, "    ")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			got = runLine(t, command)
			continue
		}
		next, rest, _ := strings.Cut(got, "\n")
		if diff := cmp.Diff(next+"\n", shortID.ReplaceAllString(line, "(…)")); diff != "" {
			t.Errorf("README.md (-what is printed +what it says):\n%s", diff)
		}
		got = rest
		compared++
	}
	if compared == 0 || got != "" {
		t.Errorf("README.md shows %d lines of output and leaves out %q", compared, got)
	}
}

// runLine returns what a command prints, with IDs cut as in the README. What
// is no command of ours is not run.
func runLine(t *testing.T, line string) string {
	t.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "'", ""))
	if args[0] != "jettison" {
		return ""
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args[1:])
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return shortID.ReplaceAllString(longID.ReplaceAllString(out.String(), "sha256:$1…"), "(…)")
}
