package diskstore_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

// openReader opens a store that someone else may be changing.
func openReader(t testing.TB, dir string) *diskstore.Store {
	t.Helper()
	s, err := diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true, LockTimeout: time.Minute})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// A reader sees what was loaded and deleted since it has opened the store.
// Content that has gone is NotFound; what it has open it reads to the end.
func TestReaderFollowsAWriter(t *testing.T) {
	dir := t.TempDir()
	writer := open(t, dir)
	_, err := load(t.Context(), writer, "first", "layer of the first")
	must(t, err)
	reader := openReader(t, dir)
	intact(t, reader)
	_, err = load(t.Context(), writer, "second", "layer of the second")
	must(t, err)
	intact(t, reader)
	if got, want := tags(t, reader), []string{"docker.io/library/first:latest", "docker.io/library/second:latest"}; !slices.Equal(got, want) {
		t.Errorf("got tags %v, want %v", got, want)
	}
	layer := describe("layer of the first").Digest
	blob, err := reader.Blob(t.Context(), layer)
	must(t, err)
	defer blob.Close() //nolint:errcheck // only read
	must(t, remove(t.Context(), writer, "first"))
	if got, err := io.ReadAll(blob); err != nil || string(got) != "layer of the first" {
		t.Errorf("got %q, %v from content that was deleted since; want it whole", got, err)
	}
	_, err = reader.Blob(t.Context(), layer)
	wants(t, err, jettison.ErrNotFound, "no content "+layer.String())
	intact(t, reader)
}

// A file that is missing without a deletion is damage for a reader too.
func TestReaderTellsDamageFromDeletion(t *testing.T) { // E3
	dir := t.TempDir()
	writer := open(t, dir)
	_, err := load(t.Context(), writer, "app", "layer")
	must(t, err)
	reader := openReader(t, dir)
	layer := describe("layer").Digest
	path := filepath.Join(dir, "blobs", "sha256", layer.Encoded())
	must(t, os.Remove(path))
	_, err = reader.Blob(t.Context(), layer)
	wants(t, err, jettison.ErrInternal, path+" is damaged")
	var damage *diskstore.Damage
	if !errors.As(err, &damage) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %#v, want a Damage that wraps fs.ErrNotExist", err)
	}
}

// While images come and go, a reader finds each whole or not at all.
func TestReadersBesideLoadsAndDeletions(t *testing.T) { // D12
	dir := t.TempDir()
	writer := open(t, dir)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		reader := openReader(t, dir)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					readAll(t, reader, "layer")
					intact(t, reader)
				}
			}
		})
	}
	for range 40 {
		if _, err := load(t.Context(), writer, "app", "layer"); err != nil {
			t.Error(err)
		}
		if err := remove(t.Context(), writer, "app"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// What a load that is under way has written is no stray file for a reader that
// checks the store; what it has left is one.
func TestReaderChecksBesideALoad(t *testing.T) { // C2
	dir := t.TempDir()
	writer, err := diskstore.Open(t.Context(), dir, nil)
	must(t, err)
	reader := openReader(t, dir)
	in, err := writer.Ingest(t.Context())
	must(t, err)
	_, err = in.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
	must(t, err)
	findings, err := reader.Check(t.Context(), diskstore.CheckOptions{})
	must(t, err)
	if len(findings) > 0 {
		t.Errorf("beside a load: got findings %v, want none", findings)
	}
	must(t, in.Close())
	must(t, writer.Close())
	left := filepath.Join(dir, "ingest", "blob-1")
	write(t, left, "of a crash")
	findings, err = reader.Check(t.Context(), diskstore.CheckOptions{})
	must(t, err)
	if len(findings) != 1 || findings[0].Path != left {
		t.Errorf("after a crash: got findings %v, want one of %s", findings, left)
	}
}
