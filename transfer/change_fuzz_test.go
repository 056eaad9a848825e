package transfer_test

import (
	"encoding/json"
	"errors"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// Whatever the changes are, they are refused with an error of class
// InvalidArgument, or make a configuration that is one, and always the same.
func FuzzChanges(f *testing.F) {
	data, err := os.ReadFile("testdata/changes.json")
	if err != nil {
		f.Fatal(err)
	}
	var seeds []struct{ Changes []string }
	if err := json.Unmarshal(data, &seeds); err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds {
		f.Add(strings.Join(seed.Changes, "\n"))
	}
	port := regexp.MustCompile(`^[0-9]{1,5}/(tcp|udp|sctp)$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := transfer.ApplyChanges([]string{text})
		if err != nil {
			if !errors.Is(err, jettison.ErrInvalidArgument) {
				t.Errorf("err = %v, want class InvalidArgument", err)
			}
			return
		}
		for spec := range got.ExposedPorts {
			if !port.MatchString(spec) {
				t.Errorf("port %q", spec)
			}
		}
		seen := make(map[string]bool)
		for _, entry := range got.Env {
			key, _, ok := strings.Cut(entry, "=")
			if !ok || seen[key] {
				t.Errorf("environment %q", got.Env)
			}
			seen[key] = true
		}
		if dir := got.WorkingDir; dir != "" && (!path.IsAbs(dir) || path.Clean(dir) != dir) {
			t.Errorf("working directory %q", dir)
		}
		again, err := transfer.ApplyChanges(strings.Split(text, "\n"))
		if diff := cmp.Diff(again, got); diff != "" || err != nil {
			t.Errorf("once more, %v (-got +want):\n%s", err, diff)
		}
	})
}

// Whatever an archive is, importing it ends with an image whose layer is what it
// unpacks to, or with a refusal that leaves nothing.
func FuzzImport(f *testing.F) {
	whole := real(f, "rootfs.tar")
	f.Add(whole)
	f.Add(whole[:3000])
	f.Add(gzipped(f, whole))
	f.Add(zstandard(f, whole))
	f.Add(pack(f, file{name: "../x"}))
	f.Add([]byte{})
	store := newStore(f)
	service := jettison.New(store, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := transfer.ImportOptions{MaxSize: 1 << 20, Created: epoch()}
		report, err := transfer.ImportReader(t.Context(), store, strings.NewReader(string(data)), opts)
		if err != nil {
			var archive *transfer.ArchiveError
			if !errors.As(err, &archive) || !errors.Is(err, jettison.ErrInvalidArgument) {
				t.Errorf("err = %v, want an ArchiveError", err)
			}
			if rest := dump(t, store); len(rest) > 0 {
				t.Errorf("left behind: %q", rest)
			}
			return
		}
		config := configIn(t, store, report.Images[0].ID)
		if len(config.RootFS.DiffIDs) != 1 {
			t.Errorf("layers %v, want one", config.RootFS.DiffIDs)
		}
		checkStore(t, store)
		if _, err := service.ImageDelete(t.Context(), report.Images[0].ID.String(), jettison.RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	})
}
