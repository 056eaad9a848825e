//go:build interop

package interop_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// always are the differences that any call can meet: comparable leaves them out.
// Each tells whether an answer of podman and one of the command show it.
func always() map[string]func(theirs, ours answer) bool {
	return map[string]func(theirs, ours answer) bool{
		"podman-D10-layers": func(theirs, ours answer) bool {
			return strings.Contains(theirs.out, "Deleted: A\n") && strings.Contains(ours.out, "Deleted: sha256:A\nDeleted: sha256:DIGEST\n")
		},
		"podman-D17-told": func(theirs, ours answer) bool {
			return ours.verb == "rmi" && strings.Contains(ours.out, "Removed: ") && theirs.status == 0 && !strings.Contains(theirs.out, "Removed")
		},
		"podman-P7": func(theirs, ours answer) bool {
			return theirs.verb == "prune" && theirs.out == "A\n" && strings.Contains(ours.out, "Total reclaimed space: ")
		},
		"podman-E1": func(theirs, ours answer) bool {
			return theirs.status == ours.status && theirs.err != "" && ours.err != "" && theirs.err != ours.err
		},
	}
}

// shown are those that the answers show.
func shown(theirs, ours outcome) []string {
	var ids []string
	for id, shows := range always() {
		for i := range theirs.calls {
			if shows(theirs.calls[i], ours.calls[i]) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// met are the IDs of the differences that scripts declared or showed.
type met struct {
	mu      sync.Mutex
	ids     map[string]bool
	scripts int
}

// add notes what a script met.
func (m *met) add(ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.ids[id] = true
	}
	m.scripts++
}

var row = regexp.MustCompile(`(?m)^\| (podman-[A-Z]\S*) \|`)

// check checks that what was met is what the table in docs/semantics.md has.
func (m *met) check(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		listed[match[1]] = true
		if !m.ids[match[1]] {
			t.Errorf("no script shows the row %s of docs/semantics.md", match[1])
		}
	}
	for id := range m.ids {
		if !listed[id] {
			t.Errorf("docs/semantics.md has no row %s", id)
		}
	}
}

// comparable is what both must agree on: the exit status; the references and
// images that are said to have gone, in their order; and all that is left. The words
// of errors are each one's own, and so are the layers that only the command reports.
func (o outcome) comparable() outcome {
	calls := slices.Clone(o.calls)
	for i, call := range calls {
		tell := removed
		if call.verb == "prune" {
			tell = pruned
		}
		calls[i] = answer{verb: call.verb, out: tell(call.out), status: call.status}
	}
	o.calls = calls
	return o
}

// removed are the records that a removal printed. Podman says nothing of layers and
// of containers.
func removed(out string) string {
	var records []string
	for _, line := range lines(out) {
		if line != "Deleted: sha256:DIGEST" && !strings.HasPrefix(line, "Removed: ") {
			records = append(records, strings.Replace(line, "Deleted: sha256:", "Deleted: ", 1))
		}
	}
	return strings.Join(records, "\n")
}

// pruned are the images that a prune is said to have deleted. Podman prints their
// IDs and nothing else.
func pruned(out string) string {
	var ids []string
	for _, line := range lines(out) {
		id, isOurs := strings.CutPrefix(line, "deleted: sha256:")
		if id != "DIGEST" && (isOurs || !strings.Contains(line, " ") && line != "") {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, "\n")
}
