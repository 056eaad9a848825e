package boltkv_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

const pageSize = 4096

// wholeFile returns the bytes of a file with pages of every kind: branches,
// leaves, values that span pages, and freed pages.
func wholeFile(t testing.TB) []byte {
	t.Helper()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "whole")
	// The page size is fixed for the file's bytes to be the same everywhere.
	file, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, &boltkv.Options{NoSync: true})
	for round := range 3 {
		err := db.Update(ctx, func(tx kv.Tx) error {
			for i := range 400 {
				value := bytes.Repeat([]byte{byte(round)}, 20+i%7*1000*(i%50/49))
				if err := tx.Put(ctx, fmt.Appendf(nil, "key/%d/%04d", round%2, i), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// E3: a file that is no store, or only part of one, is refused by name, stays
// as it is and is not left locked.
func TestOpenOfWhatIsNoStore(t *testing.T) {
	whole := wholeFile(t)
	meta := func(at int, value uint32) []byte {
		data := bytes.Clone(whole)
		for page := range 2 {
			binary.NativeEndian.PutUint32(data[page*pageSize+16+at:], value)
		}
		return data
	}
	// The higher of the two marks of how many pages are in use.
	pages := max(binary.NativeEndian.Uint64(whole[16+40:]), binary.NativeEndian.Uint64(whole[pageSize+16+40:]))
	tests := map[string][]byte{
		"bad magic":         meta(0, 0xbadbadba),
		"bad version":       meta(4, 99),
		"bad checksum":      meta(40, 7),
		"one byte":          []byte("x"),
		"text":              []byte(strings.Repeat("This is no database.\n", 1000)),
		"another database":  append([]byte("SQLite format 3\x00"), make([]byte, 64<<10)...),
		"zeros":             make([]byte, 64<<10),
		"cut in the header": whole[:100],
		"cut after a page":  whole[:pageSize],
		"cut after two":     whole[:2*pageSize],
		"cut in the middle": whole[:len(whole)/2/pageSize*pageSize],
		"cut within a page": whole[:len(whole)/3],
		"cut by a byte":     whole[:int(pages)*pageSize-1],
	}
	for name, data := range tests {
		for mode, opts := range map[string]*boltkv.Options{"": nil, ", read only": {ReadOnly: true}} {
			t.Run(name+mode, func(t *testing.T) {
				path := write(t, data)
				for range 2 { // a lock left behind would show
					_, err := boltkv.Open(t.Context(), path, opts)
					wantDamaged(t, err, path)
				}
				after, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(after, data) {
					t.Error("the file has changed")
				}
			})
		}
	}
}

func wantDamaged(t testing.TB, err error, path string) {
	t.Helper()
	var damaged *boltkv.DamagedError
	if !errors.As(err, &damaged) {
		t.Fatalf("error %v; want a DamagedError", err)
	}
	if damaged.Path != path || damaged.Err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error has path %q and cause %v and reads %q; want %q in it", damaged.Path, damaged.Err, err, path)
	}
	if text := err.Error(); strings.Contains(text, "runtime error") || !strings.Contains(text, "restore it from a copy") {
		t.Errorf("error %v; want words for the user, and advice", err)
	}
	if !errors.Is(err, class.Internal) || !errors.Is(class.Of(err), class.Internal) {
		t.Errorf("error %v has class %v; want Internal", err, class.Of(err))
	}
}

func TestOpenOfAnEmptyFile(t *testing.T) {
	path := write(t, nil)
	_, err := boltkv.Open(t.Context(), path, &boltkv.Options{ReadOnly: true})
	wantDamaged(t, err, path)
	// What a crash right after the creation leaves is used.
	put(t, open(t, path, nil), "a", "1")
}

func TestOpenOfAnotherProgramsBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	other, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = other.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("v1"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = boltkv.Open(t.Context(), path, nil)
		wantDamaged(t, err, path)
	}
}

// E3: whatever page is altered, reading and writing everything ends with an
// error that names the file, or does not notice; it neither panics nor hangs.
func TestDamagedPages(t *testing.T) {
	whole := wholeFile(t)
	spoil := map[string]func(page []byte, r *rand.Rand){
		"zeros":  func(page []byte, _ *rand.Rand) { clear(page) },
		"ones":   func(page []byte, _ *rand.Rand) { fillWith(page, 0xff) },
		"header": func(page []byte, _ *rand.Rand) { fillWith(page[8:16], 0xff) },
		"elements": func(page []byte, _ *rand.Rand) {
			fillWith(page[16:256], 0xff)
		},
		"noise": func(page []byte, r *rand.Rand) {
			for i := range page[8:] {
				page[8+i] = byte(r.Uint32())
			}
		},
		"bits": func(page []byte, r *rand.Rand) {
			for range 20 {
				page[16+r.IntN(200)] ^= 1
			}
		},
	}
	var n tally
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for page := 2; page < len(whole)/pageSize; page++ {
				data := bytes.Clone(whole)
				spoil(data[page*pageSize:(page+1)*pageSize], r)
				n.useAll(t, write(t, data))
			}
		})
	}
	if n.opening < 5 || n.reading < 100 || n.committing < 10 {
		t.Errorf("damage was met in few places: %+v", n)
	}
}

// A tally counts where damage was met first.
type tally struct{ opening, reading, committing int }

func fillWith(page []byte, b byte) {
	for i := range page {
		page[i] = b
	}
}

// useAll opens, reads, writes and closes.
func (n *tally) useAll(t *testing.T, path string) {
	t.Helper()
	ctx := t.Context()
	db, err := boltkv.Open(ctx, path, &boltkv.Options{NoSync: true})
	if err != nil {
		wantDamaged(t, err, path)
		n.opening++
		return
	}
	defer closeDB(t, db)
	if err := db.View(ctx, func(r kv.Reader) error { return readAll(t, r) }); err != nil {
		wantDamaged(t, err, path)
		n.reading++
	}
	for i := range 400 {
		if _, err := get(t, db, fmt.Sprintf("key/0/%04d", i)); err != nil && !errors.Is(err, kv.ErrNotFound) {
			wantDamaged(t, err, path)
		}
	}
	for _, keys := range []string{"key/0/0%03d", "key/1/0%03d"} {
		n.deleteSome(t, db, path, keys)
	}
}

// deleteSome deletes half of the keys, so that their pages are merged.
func (n *tally) deleteSome(t *testing.T, db kv.DB, path, keys string) {
	t.Helper()
	ctx, done := t.Context(), false
	_, before := get(t, db, "new")
	err := db.Update(ctx, func(tx kv.Tx) error {
		for i := range 200 {
			if err := tx.Delete(ctx, fmt.Appendf(nil, keys, i)); err != nil {
				return err
			}
		}
		err := tx.Put(ctx, []byte("new"), make([]byte, 3*pageSize))
		done = err == nil
		return err
	})
	if err == nil {
		return
	}
	wantDamaged(t, err, path)
	if done {
		n.committing++
		_, after := get(t, db, "new")
		if after != nil && !errors.Is(after, kv.ErrNotFound) {
			wantDamaged(t, after, path)
		} else if (after == nil) != (before == nil) {
			t.Errorf("the update failed with %v and changed something: get was %v, is %v", err, before, after)
		}
	}
}

// readAll reads every byte of every entry.
func readAll(t *testing.T, r kv.Reader) error {
	sum := 0
	for e, err := range r.Scan(t.Context(), nil) {
		if err != nil {
			return err
		}
		for _, b := range e.Value {
			sum += int(b)
		}
	}
	return nil
}

// A scan ends although a page lies beneath itself.
func TestScanInACircle(t *testing.T) {
	const branch = 1
	data := wholeFile(t)
	circles := 0
	for at := 0; at < len(data); at += pageSize {
		page := data[at : at+pageSize]
		count := binary.NativeEndian.Uint16(page[10:])
		if binary.NativeEndian.Uint16(page[8:]) != branch || count < 2 {
			continue
		}
		last := page[16*count:] // the header is as long as an element
		binary.NativeEndian.PutUint64(last[8:], binary.NativeEndian.Uint64(page))
		circles++
	}
	if circles == 0 {
		t.Fatal("no page has others beneath it")
	}
	path := write(t, data)
	for mode, opts := range map[string]*boltkv.Options{"": nil, "read only": {ReadOnly: true}} {
		t.Run(mode, func(t *testing.T) {
			db := open(t, path, opts)
			wantDamaged(t, db.View(t.Context(), func(r kv.Reader) error { return readAll(t, r) }), path)
		})
	}
}

// An Update that met damage does not commit, even if its function does not
// mind.
func TestUpdateThatMetDamageChangesNothing(t *testing.T) {
	ctx, data := t.Context(), wholeFile(t)
	key := []byte("key/1/0390")
	// Older copies of its page may be left; all are spoilt.
	for at := bytes.Index(data, key); at >= 0; at = bytes.Index(data, key) {
		page := data[at/pageSize*pageSize:][:pageSize]
		fillWith(page[8:], 0xff)
	}
	tests := map[string]func(tx kv.Tx) error{
		"get": func(tx kv.Tx) error {
			_, err := tx.Get(ctx, key)
			return err
		},
		"scan": func(tx kv.Tx) (err error) {
			for _, err = range tx.Scan(ctx, key) {
				continue // the error is the last
			}
			return err
		},
		"put":    func(tx kv.Tx) error { return tx.Put(ctx, key, nil) },
		"delete": func(tx kv.Tx) error { return tx.Delete(ctx, key) },
	}
	for name, meet := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, data)
			db := open(t, path, nil)
			err := db.Update(ctx, func(tx kv.Tx) error {
				if err := tx.Put(ctx, []byte("a"), []byte("1")); err != nil {
					return err
				}
				if err := meet(tx); name != "put" && name != "delete" { // their page is first looked at by the commit
					wantDamaged(t, err, path)
				}
				return nil
			})
			wantDamaged(t, err, path)
			if _, err := get(t, db, "a"); !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("get of what was put beside damage: error %v; want kv.ErrNotFound", err)
			}
		})
	}
}
