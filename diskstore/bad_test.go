package diskstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/kvstore"
)

// A store whose records are cut, spoilt or another program's is refused, or
// says where it is damaged. Either way its content stays, and what is read is
// true.
func TestSpoiltRecords(t *testing.T) { // E3
	inMemory(t)
	fresh := filepath.Join(t.TempDir(), "fresh")
	many(t, fresh)
	whole, err := os.ReadFile(filepath.Join(fresh, "meta.db"))
	must(t, err)
	found, files := 0, spoil(t, whole)
	for name, spoilt := range files {
		dir := filepath.Join(t.TempDir(), "store")
		copyDir(t, fresh, dir)
		must(t, os.WriteFile(filepath.Join(dir, "meta.db"), spoilt, 0o600))
		before := onDisk(t, dir)
		err := readEverything(t.Context(), dir)
		if err != nil {
			found++
			wants(t, err, jettison.ErrInternal, "")
			if text := err.Error(); !strings.Contains(text, dir) && !strings.Contains(text, "record of") {
				t.Errorf("%s: error %q names neither the file nor a record", name, text)
			}
		}
		if strings.HasPrefix(name, "all") && err == nil {
			t.Errorf("%s: got no error", name)
		}
		if diff := cmp.Diff(onDisk(t, dir), before); diff != "" {
			t.Errorf("%s: files (-got +want):\n%s", name, diff)
		}
	}
	t.Logf("%d of %d files are not what they were", found, len(files))
	if found < len(files)/2 || len(files) < 50 {
		t.Error("damage was met in few places")
	}
}

// spoil returns the bytes of files that are no longer what they were. Those
// called all-something are so in every way.
func spoil(t *testing.T, whole []byte) map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	page := os.Getpagesize()
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(other, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("metadata"))
		return err
	}))
	must(t, db.Close())
	others, err := os.ReadFile(other)
	must(t, err)
	files := map[string][]byte{
		"all: empty":            {},
		"all: of another store": others,
		"all: of SQLite":        append([]byte("SQLite format 3\x00"), make([]byte, 8192)...),
		"all: text":             bytes.Repeat([]byte("{}\n"), 10_000),
		"all: zeros":            make([]byte, len(whole)),
	}
	used := int(max(binary.NativeEndian.Uint64(whole[16+40:]), binary.NativeEndian.Uint64(whole[page+16+40:]))) //nolint:gosec // a few
	for n := range used {
		at := n * page
		files[fmt.Sprint("all: cut at page ", n)] = whole[:at]
		files[fmt.Sprint("all: cut in page ", n)] = whole[:at+page/3]
		zeros, noise := bytes.Clone(whole), bytes.Clone(whole)
		clear(zeros[at : at+page])
		for i := range page {
			noise[at+i] = byte(random.Uint32())
		}
		files[fmt.Sprint("zeros in page ", n)], files[fmt.Sprint("noise in page ", n)] = zeros, noise
	}
	return files
}

// readEverything opens a store and returns the first error that it meets.
func readEverything(ctx context.Context, dir string) (err error) {
	s, err := diskstore.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, s.Close()) }()
	damage, err := s.Verify(ctx)
	if err == nil && len(damage) > 0 {
		return &damage[0]
	}
	if err != nil {
		return err
	}
	report, err := storecheck.Records(ctx, s.DB())
	if err == nil && report.Problems != nil {
		err = class.Errorf(class.Internal, "%s: %q", dir, report.Problems)
	}
	return err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// An image whose content is damaged can be deleted like any other, and what it
// shares with others stays for them.
func TestDeletingWhatIsDamaged(t *testing.T) { // E3, D12
	for name, harm := range map[string]func(path string) error{
		"missing":     os.Remove,
		"short":       func(path string) error { return os.Truncate(path, 1) },
		"altered":     func(path string) error { return os.WriteFile(path, []byte("tip"), 0o600) },
		"a directory": func(path string) error { return firstOf(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			_, err := load(t.Context(), s, "app", "os", "top")
			must(t, err)
			_, err = load(t.Context(), s, "other", "os")
			must(t, err)
			path := filepath.Join(s.Dir(), "blobs", "sha256", describe("top").Digest.Encoded())
			must(t, harm(path))
			damage, err := s.Verify(t.Context())
			must(t, err)
			if len(damage) != 1 || damage[0].Path != path {
				t.Errorf("got damage %v, want that of %s", damage, path)
			}
			must(t, remove(t.Context(), s, "app"))
			sound(t, s)
			if _, err := os.Lstat(path); err == nil {
				t.Error("the damaged file stays")
			}
		})
	}
}

// Rights that are missing while the store is open are named, and change nothing
// else. A deletion stands; its files go when they can.
func TestMissingRightsAtWork(t *testing.T) { // D12, E3
	if os.Geteuid() == 0 {
		t.Skip("root has all rights") // .ci/unprivileged runs it for others
	}
	var log bytes.Buffer
	dir := t.TempDir()
	s, err := diskstore.Open(t.Context(), dir, &diskstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	_, err = load(t.Context(), s, "app", "layer")
	must(t, err)
	ingest, blobs := filepath.Join(dir, "ingest"), filepath.Join(dir, "blobs", "sha256")
	for _, sub := range []string{ingest, blobs} {
		must(t, os.Chmod(sub, 0o500)) //nolint:gosec // a directory
		_, err = load(t.Context(), s, "new", "of new")
		wants(t, err, jettison.ErrUnavailable, sub)
		wants(t, err, jettison.ErrUnavailable, "permission denied; look who owns it")
		must(t, os.Chmod(sub, 0o700)) //nolint:gosec // a directory
		sound(t, s)
	}
	must(t, os.Chmod(blobs, 0o500)) //nolint:gosec // a directory
	must(t, remove(t.Context(), s, "app"))
	must(t, os.Chmod(blobs, 0o700)) //nolint:gosec // a directory
	if got := len(onDisk(t, dir)); got != 2 || !strings.Contains(log.String(), "permission denied") {
		t.Errorf("got %d files and log %q, want 2 and why they stay", got, &log)
	}
	must(t, s.Close())
	sound(t, open(t, dir))
}

// A store that may only be read can be read.
func TestReadOnlyWithoutRights(t *testing.T) {
	dir := t.TempDir()
	s, err := diskstore.Open(t.Context(), dir, nil)
	must(t, err)
	_, err = load(t.Context(), s, "app", "layer")
	must(t, err)
	must(t, s.Close())
	must(t, os.Chmod(filepath.Join(dir, "meta.db"), 0o400))
	for _, sub := range []string{"", "blobs/sha256", "ingest"} {
		must(t, os.Chmod(filepath.Join(dir, sub), 0o500)) //nolint:gosec // a directory
		defer os.Chmod(filepath.Join(dir, sub), 0o700)    //nolint:errcheck,gosec // the test ends
	}
	s, err = diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
	must(t, err)
	sound(t, s)
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		_, err := named(t.Context(), tx, "app")
		return err
	}))
	must(t, s.Close())
}
