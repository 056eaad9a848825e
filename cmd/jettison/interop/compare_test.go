//go:build interop

package interop_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// A script is a scene and calls, with the outcome that each side must have.
type script struct {
	archive *txtar.Archive
	// rows are the differences in docs/semantics.md that the calls meet.
	rows  []string
	scene []string
	calls []string
}

// readScript reads a file of testdata/compare. Lines with # are comments, those
// that begin with "row" or "call" say what their name says, all others set the
// scene.
func readScript(t *testing.T, file string) script {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := script{archive: archive}
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || verb == "#":
		case verb == "row":
			s.rows = append(s.rows, rest)
		case verb == "call":
			s.calls = append(s.calls, rest)
		default:
			s.scene = append(s.scene, line)
		}
	}
	return s
}

// TestCompare makes each call on two equal stores: with podman in one, with the
// command in the other.
func TestCompare(t *testing.T) {
	files, err := filepath.Glob("testdata/compare/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	sites := make(chan *site, 2)
	for range cap(sites) {
		sites <- newSite(t, *driver)
	}
	differences := met{ids: map[string]bool{}}
	t.Run("scripts", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				s := <-sites
				defer func() { sites <- s }()
				s.t = t
				s.compare(t, file, &differences)
			})
		}
	})
	if differences.scripts == len(files) { // and not only some, by -run
		differences.check(t)
	}
}

// compare carries out a script on both sides.
func (s *site) compare(t *testing.T, file string, differences *met) {
	t.Helper()
	script := readScript(t, file)
	s.stage(script.scene)
	theirs := s.outcome(s.each(script.calls, (*site).podmanCall))
	s.restore(script.scene)
	ours := s.outcome(s.each(script.calls, (*site).jettisonCall))
	if wrong := s.unsound(); len(wrong) > 0 {
		t.Errorf("the store is not sound:\n%s", strings.Join(wrong, "\n"))
	}

	if *update {
		script.write(t, file, theirs.text(), ours.text())
	} else {
		script.check(t, "podman", theirs.text())
		script.check(t, "jettison", ours.text())
	}
	differences.add(append(shown(theirs, ours), script.rows...))
	diff := cmp.Diff(theirs.comparable(), ours.comparable(), cmp.AllowUnexported(outcome{}, answer{}))
	if declared := len(script.rows) > 0; declared == (diff == "") {
		t.Errorf("podman (-) and the command (+), difference declared: %v\n%s", script.rows, diff)
	}
}

// each makes the calls in order.
func (s *site) each(calls []string, make func(*site, string, ...string) answer) []answer {
	s.t.Helper()
	var answers []answer
	for _, call := range calls {
		verb, args := s.words(call)
		got := make(s, verb, args...)
		got.verb = verb
		answers = append(answers, got)
	}
	return answers
}

// podmanCall makes the call with podman, without questions.
func (s *site) podmanCall(verb string, args ...string) answer {
	s.t.Helper()
	if verb == "prune" {
		return s.podman(append([]string{"image", "prune", "-f"}, args...)...)
	}
	return s.podman(append([]string{verb}, args...)...)
}

// jettisonCall makes it with the command. Podman's --force is two words there.
func (s *site) jettisonCall(verb string, args ...string) answer {
	s.t.Helper()
	flags := []string{verb, "--exit-codes", "podman"}
	switch {
	case verb == "prune":
		flags = append(flags, "--force")
	case slices.Contains(args, "-f"):
		flags = append(flags, "--remove-containers")
	}
	return s.jettison(append(flags, args...)...)
}

// check compares an outcome with the section of the script.
func (s script) check(t *testing.T, section, got string) {
	t.Helper()
	for _, file := range s.archive.Files {
		if file.Name == section {
			if diff := cmp.Diff(got, string(file.Data)); diff != "" {
				t.Errorf("%s: got (-), want (+)\n%s", section, diff)
			}
			return
		}
	}
	t.Errorf("the script does not say what %s does", section)
}

// write puts the outcomes into the file.
func (s script) write(t *testing.T, file, podman, jettison string) {
	t.Helper()
	s.archive.Files = []txtar.File{{Name: "podman", Data: []byte(podman)}, {Name: "jettison", Data: []byte(jettison)}}
	if err := os.WriteFile(file, txtar.Format(s.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
