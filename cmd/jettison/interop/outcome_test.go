//go:build interop

package interop_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// An outcome is what calls led to, told with the names of the script.
type outcome struct {
	calls []answer
	// left are lines about the images and containers that are left.
	left []string
	// within is what else is left: documents, layers and files, and what podman
	// says of them. Both must leave the same, but no script tells it.
	within []string
}

// text is the outcome as it stands in a script.
func (o outcome) text() string {
	var b strings.Builder
	for _, call := range o.calls {
		fmt.Fprintf(&b, "exit %d\n", call.status)
		for _, line := range lines(call.out) {
			fmt.Fprintln(&b, "out:", line)
		}
		for _, line := range lines(call.err) {
			fmt.Fprintln(&b, "err:", line)
		}
	}
	for _, line := range o.left {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

func lines(text string) []string {
	if text = strings.TrimSuffix(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// outcome tells what the answers were and looks at the store.
func (s *site) outcome(answers []answer) outcome {
	s.t.Helper()
	var o outcome
	for _, a := range answers {
		o.calls = append(o.calls, answer{a.verb, s.named(a.out), s.named(a.err), a.status})
	}
	for _, img := range s.records("images") {
		o.left = append(o.left, s.named(fmt.Sprintf("image %s: %s", img.ID, list(img.Names))))
	}
	for _, c := range s.records("containers") {
		o.left = append(o.left, s.named(fmt.Sprintf("container %s of %s", list(c.Names), c.Image)))
	}
	slices.Sort(o.left)
	if len(o.left) == 0 {
		o.left = []string{"nothing"}
	}
	o.within = s.within()
	return o
}

func list(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), " ") }

// empty are directories in which only the newer library of the command works, and
// leaves nothing.
var empty = []string{"/vfs/tempdirs", "/vfs-layers/tmp", "/overlay/tempdirs", "/overlay-layers/tmp"}

// within lists what the store has inside.
func (s *site) within() []string {
	s.t.Helper()
	var all []string
	for _, kind := range []string{"images", "layers", "containers"} {
		var records []json.RawMessage
		s.read(kind, &records)
		for _, record := range records {
			all = append(all, kind+" "+string(record))
		}
	}
	err := filepath.WalkDir(s.path("now/root"), func(path string, _ fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, s.path("now/root"))
		if !slices.Contains([]string{".json", ".lock", ".db"}, filepath.Ext(name)) && !slices.Contains(empty, name) {
			all = append(all, name)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	for _, args := range [][]string{{"images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}"}, {"ps", "-a", "--external", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Names}}"}} {
		got := s.podman(args...)
		all = append(all, fmt.Sprint("podman ", args, got))
	}
	return all
}

var (
	anyID = regexp.MustCompile(`[0-9a-f]{64}`)
	hex   = regexp.MustCompile(`\b[0-9a-f]+\b`)
	clock = regexp.MustCompile(`time="[^"]*"`)
	space = regexp.MustCompile(`space: [1-9].*`)
)

// named puts the names of the script in the place of IDs. What has none is a
// DIGEST, and the beginning of one is SHORT.
func (s *site) named(text string) string {
	short := maps.Clone(s.typed)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(s.ids))) {
		text = strings.ReplaceAll(text, s.ids[name], name)
		short[s.ids[name][:12]] = name + ":12"
	}
	text = strings.ReplaceAll(anyID.ReplaceAllString(text, "DIGEST"), s.dir, "DIR")
	text = clock.ReplaceAllString(text, `time="NOW"`)
	text = space.ReplaceAllString(text, "space: SIZE") // a list is not always of the same
	return hex.ReplaceAllStringFunc(text, func(word string) string {
		if name, ok := short[word]; ok || len(word) != 12 {
			return cmp.Or(name, word)
		}
		return "SHORT"
	})
}
