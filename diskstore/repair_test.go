package diskstore_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// What a load is about to use is no stray, and is not moved out of its way.
func TestRepairBesideAnIngest(t *testing.T) {
	s := open(t, t.TempDir())
	in := ingest(t, s)
	_, err := in.Write(t.Context(), strings.NewReader("new"), describe("new"))
	must(t, err)
	write(t, blobPath(s.Dir(), "pinned"), "pinned")
	if _, err := in.Has(t.Context(), describe("pinned")); err != nil {
		t.Fatal(err)
	}
	wantFindings(t, "check", checked(t, s, diskstore.CheckOptions{}), []string{"stray file: " + "blobs/sha256/" + describe("pinned").Digest.Encoded()})
	report, err := s.Repair(t.Context(), diskstore.RepairOptions{})
	must(t, err)
	if len(check.Left(report.Findings)) != 1 || report.Removed != "" {
		t.Errorf("got %+v, want the pinned file to stay", report)
	}
	must(t, in.Close())
	report, err = s.Repair(t.Context(), diskstore.RepairOptions{})
	must(t, err)
	if len(check.Left(report.Findings)) != 0 || report.Files != 1 || report.Bytes != int64(len("pinned")) {
		t.Errorf("got %+v, want the file moved", report)
	}
	sound(t, s)
}

// C6: content that comes back while a repair looks at the rest is not lost.
func TestRepairLooksAgain(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "one", "two", "three")
	must(t, err)
	first := slices.MinFunc([]string{"one", "two", "three"}, func(a, b string) int {
		return strings.Compare(string(describe(a).Digest), string(describe(b).Digest))
	})
	must(t, os.Remove(blobPath(s.Dir(), first)))
	opts := diskstore.RepairOptions{DropIncomplete: true}
	opts.Content, opts.Progress = true, func(p diskstore.CheckProgress) {
		if p.Content > describe(first).Digest {
			write(t, blobPath(s.Dir(), first), first)
		}
	}
	report, err := s.Repair(t.Context(), opts)
	must(t, err)
	if len(report.Findings) > 0 {
		t.Errorf("got %v, want nothing found", report.Findings)
	}
	sound(t, s)
}

// C6: content that a repair could look at first, and then cannot, costs no image.
func TestRepairLosesAccess(t *testing.T) {
	s := open(t, t.TempDir())
	id, err := load(t.Context(), s, "app", "one", "two", "three")
	must(t, err)
	first := slices.MinFunc([]string{"one", "two", "three"}, func(a, b string) int {
		return strings.Compare(string(describe(a).Digest), string(describe(b).Digest))
	})
	path := blobPath(s.Dir(), first)
	must(t, os.Remove(path))
	opts := diskstore.RepairOptions{DropIncomplete: true}
	var once sync.Once
	opts.Content, opts.Progress = true, func(p diskstore.CheckProgress) {
		if p.Content > describe(first).Digest {
			once.Do(func() { must(t, os.Symlink(filepath.Base(path), path)) }) // it leads to itself
		}
	}
	report, err := s.Repair(t.Context(), opts)
	must(t, err)
	if len(report.Findings) != 1 || report.Findings[0].Kind != check.InaccessibleContent || report.Findings[0].Repaired {
		t.Errorf("got %v, want inaccessible content that stays", report.Findings)
	}
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		_, err := tx.Images.Get(t.Context(), id)
		return err
	}))
}

// C3: what is taken out of the records can be put back by hand.
func TestRepairKeepsRecords(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	must(t, os.Remove(blobPath(s.Dir(), "layer")))
	before := records(t, s)
	report, err := s.Repair(t.Context(), diskstore.RepairOptions{DropIncomplete: true})
	must(t, err)
	after := records(t, s)
	for _, kept := range keptIn(t, report.Removed) {
		if kept.Change == "added" {
			delete(after, kept.Key)
		} else {
			after[kept.Key] = string(kept.Old)
		}
	}
	if diff := cmp.Diff(after, before); diff != "" {
		t.Errorf("put back (-) and before (+):\n%s", diff)
	}
}

// C3: of several repairs at once each keeps what it takes out, in a directory of
// its own.
func TestRepairsAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 8
	for i := range n {
		_, err := load(t.Context(), s, fmt.Sprint("app", i), fmt.Sprint("layer", i))
		must(t, err)
		write(t, filepath.Join(s.Dir(), "blobs", fmt.Sprint("stray", i)), "stray")
	}
	before := records(t, s)
	var wg sync.WaitGroup
	for i := range n {
		must(t, os.Remove(blobPath(s.Dir(), fmt.Sprint("layer", i))))
		wg.Go(func() {
			if _, err := s.Repair(t.Context(), diskstore.RepairOptions{DropIncomplete: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	after := records(t, s)
	dirs, err := filepath.Glob(filepath.Join(s.Dir(), "removed-*"))
	must(t, err)
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "records.jsonl")); os.IsNotExist(err) {
			continue // only files went there
		}
		for _, kept := range keptIn(t, dir) {
			if kept.Change == "removed" {
				after[kept.Key] = string(kept.Old)
			}
		}
	}
	for key, value := range before {
		if after[key] != value && !strings.HasPrefix(key, "content/") && !strings.HasPrefix(key, "layer/") {
			t.Errorf("%s is neither in the store nor kept", key)
		}
	}
	sound(t, s)
}

// A store that is closed in the midst of a repair is closed after it: somebody
// else could open it and need what is being moved.
func TestCloseWaitsForARepair(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	write(t, blobPath(s.Dir(), "stray"), "stray")
	var wg sync.WaitGroup
	begin := sync.OnceFunc(func() {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error("close:", err)
			}
		})
		for s.Edit(t.Context(), func(*kvstore.Tx) error { return nil }) == nil { // until the store is closing
		}
	})
	report, err := s.Repair(t.Context(), diskstore.RepairOptions{CheckOptions: diskstore.CheckOptions{
		Content: true, Progress: func(diskstore.CheckProgress) { begin() },
	}})
	wg.Wait()
	if err != nil || report.Files != 1 {
		t.Errorf("got %+v, %v; want one file moved", report, err)
	}
}

// A keptLine is a line of the file in which a repair keeps what it changes.
type keptLine struct {
	Key, Change string
	KeyBytes    []byte
	Old, New    []byte
}

// keptIn returns what a repair has kept in a directory.
func keptIn(t testing.TB, dir string) (kept []keptLine) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "records.jsonl"))
	must(t, err)
	for line := range strings.Lines(string(data)) {
		var k keptLine
		must(t, json.Unmarshal([]byte(line), &k))
		k.Key += string(k.KeyBytes)
		kept = append(kept, k)
	}
	return kept
}

// records returns all entries of the store.
func records(t testing.TB, s *diskstore.Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	must(t, s.ViewRecords(t.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(t.Context(), nil) {
			if err != nil {
				return err
			}
			all[string(entry.Key)] = string(entry.Value)
		}
		return nil
	}))
	return all
}

// C3: a repair that fails at any step, or is cut off there, leaves a store that
// another repair mends, with every file of the images that are sound.
func TestRepairFailsAtEachStep(t *testing.T) {
	sound := newPatient(t)
	damage := [][]byte{{9, 1, 0, 12, 1}, {3, 5, 0, 0, 0}, {2, 6, 0, 2, 0}, {5, 6, 0, 4, 0}, {6, 6, 0, 5, 1}}
	for _, kind := range []faultfs.Kind{faultfs.Fail, faultfs.Late, faultfs.Stop} {
		for n := 1; ; n++ {
			p := sound.copy(t)
			for _, how := range damage {
				p.harm(how)
			}
			before := p.records()
			files := whole(t, p.dir)
			if !p.repairFailing(kind, n) {
				if n < 8 {
					t.Errorf("%v: a repair has %d steps, want more", kind, n)
				}
				break
			}
			p.keeps(before)
			if diff := cmp.Diff(whole(t, p.dir), files); diff != "" {
				t.Errorf("%v at step %d: files, wherever they are (-after +before):\n%s", kind, n, diff)
			}
			p.heals()
		}
	}
}

// repairFailing repairs a store whose n-th step from then on goes wrong, and
// reports whether there was such a step.
func (p *patient) repairFailing(kind faultfs.Kind, n int) bool {
	p.Helper()
	at, reached := -1, false
	files := faultfs.New(vfs.OS{}, func(faultfs.Step) faultfs.Fault {
		if at < 0 {
			return faultfs.Fault{}
		}
		if at++; at != n {
			return faultfs.Fault{}
		}
		reached = true
		return faultfs.Fault{Kind: kind}
	})
	s, err := diskstore.OpenFaulty(p.Context(), p.dir, nil, files)
	must(p, err)
	at = 0
	opts := diskstore.RepairOptions{DropIncomplete: true}
	opts.Content = true
	_, err = s.Repair(p.Context(), opts)
	if reached && err == nil && kind == faultfs.Stop {
		p.Errorf("step %d stopped, and the repair says nothing", n)
	}
	if err != nil && !errors.Is(err, jettison.ErrUnavailable) {
		p.Errorf("step %d: got error %v", n, err)
	}
	at = -1
	_ = s.Close() // may fail after a stop
	return reached
}

// records returns all entries of the closed store.
func (p *patient) records() map[string]string {
	all := make(map[string]string)
	p.edit(func(_ kv.Tx, entries []kv.Entry) error {
		for _, e := range entries {
			all[string(e.Key)] = string(e.Value)
		}
		return nil
	})
	return all
}

// keeps fails the test unless all that is not in the records any more is kept.
func (p *patient) keeps(before map[string]string) {
	p.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.dir, "removed-*", "records.jsonl"))
	must(p, err)
	kept := make(map[string]string)
	for _, file := range dirs {
		for _, k := range keptIn(p, filepath.Dir(file)) {
			kept[k.Key] = string(k.Old)
		}
	}
	after := p.records()
	for key, value := range before {
		if now, ok := after[key]; (!ok || now != value) && kept[key] != value {
			p.Errorf("key %q has changed, and is not kept", key)
		}
	}
}

// Check and repair find nothing, and take nothing, while others load and delete.
func TestRepairBesideLoadsAndDeletions(t *testing.T) {
	s := open(t, t.TempDir())
	rounds, done := 60, make(chan bool)
	if testing.Short() {
		rounds = 15
	}
	var work sync.WaitGroup
	for worker := range 3 {
		work.Go(func() {
			for range rounds {
				name := fmt.Sprintf("app%d", worker)
				if _, err := load(t.Context(), s, name, "base", name); err != nil {
					t.Error(err)
				}
				if err := remove(t.Context(), s, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		work.Wait()
		close(done)
	}()
	for working := true; working; {
		select {
		case <-done:
			working = false
		default:
		}
		wantFindings(t, "check", checked(t, s, diskstore.CheckOptions{Content: true}), []string{})
		report, err := s.Repair(t.Context(), diskstore.RepairOptions{DropIncomplete: true})
		must(t, err)
		if len(report.Findings) > 0 || report.Removed != "" {
			t.Errorf("got %+v, want nothing to repair", report)
		}
	}
	sound(t, s)
}
