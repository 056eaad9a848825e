package kv_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// Random histories on every engine leave what they leave in a map.
func TestHistories(t *testing.T) {
	t.Run("memkv", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			h := &history{db: memkv.New(), model: map[string]string{}}
			rt.Repeat(h.actions())
		})
	})
	t.Run("boltkv", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "db")
		open := func(rt *rapid.T) kv.DB {
			db, err := boltkv.Open(rt.Context(), path, &boltkv.Options{NoSync: true})
			if err != nil {
				rt.Fatal(err)
			}
			return db
		}
		rapid.Check(t, func(rt *rapid.T) {
			if err := os.RemoveAll(path); err != nil {
				rt.Fatal(err)
			}
			h := &history{db: open(rt), model: map[string]string{}}
			defer func() { _ = h.db.Close() }()
			actions := h.actions()
			actions["reopen"] = func(rt *rapid.T) {
				if err := h.db.Close(); err != nil {
					rt.Fatal(err)
				}
				h.db = open(rt)
			}
			rt.Repeat(actions)
		})
	})
}

// A history is an engine and the map that it should equal.
type history struct {
	db    kv.DB
	model map[string]string
}

var errUndo = errors.New("undo")

// Few letters, so that keys meet; the last byte, so that prefixes have no successor.
func keys(least int) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune("ab/")), least, 4, -1)
}

func (h *history) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"update": func(rt *rapid.T) { h.update(rt, nil) },
		"undo":   func(rt *rapid.T) { h.update(rt, errUndo) },
		"":       h.check,
	}
}

// update writes at random, checks what the transaction reads, and ends with err.
func (h *history) update(rt *rapid.T, end error) {
	after := maps.Clone(h.model)
	err := h.db.Update(rt.Context(), func(tx kv.Tx) error {
		for range rapid.IntRange(0, 12).Draw(rt, "writes") {
			h.write(rt, tx, after)
		}
		h.compare(rt, tx, after)
		return end
	})
	if err != end { //nolint:errorlint // the error comes back as it is
		rt.Fatalf("update returns %v, want %v", err, end)
	}
	if end == nil {
		h.model = after
	}
}

func (h *history) write(rt *rapid.T, tx kv.Tx, model map[string]string) {
	key := bytesOf(keys(1).Draw(rt, "key"))
	if rapid.IntRange(0, 2).Draw(rt, "kind") == 0 {
		delete(model, string(key))
		if err := tx.Delete(rt.Context(), key); err != nil {
			rt.Fatalf("delete %q: %v", key, err)
		}
		return
	}
	value := strings.Repeat("v", rapid.SampledFrom([]int{0, 1, 10, 3000}).Draw(rt, "size"))
	model[string(key)] = value
	if err := tx.Put(rt.Context(), key, []byte(value)); err != nil {
		rt.Fatalf("put %q: %v", key, err)
	}
}

func (h *history) check(rt *rapid.T) {
	err := h.db.View(rt.Context(), func(r kv.Reader) error {
		h.compare(rt, r, h.model)
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// compare reads all, one prefix and one key.
func (h *history) compare(rt *rapid.T, r kv.Reader, model map[string]string) {
	for _, prefix := range [][]byte{nil, bytesOf(keys(0).Draw(rt, "prefix"))} {
		var got, want []string
		for e, err := range r.Scan(rt.Context(), prefix) {
			if err != nil {
				rt.Fatalf("scan %q: %v", prefix, err)
			}
			got = append(got, string(e.Key), string(e.Value))
		}
		for _, key := range slices.Sorted(maps.Keys(model)) {
			if strings.HasPrefix(key, string(prefix)) {
				want = append(want, key, model[key])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("scan %q (-want +got):\n%s", prefix, diff)
		}
	}
	key := bytesOf(keys(0).Draw(rt, "read"))
	want, there := model[string(key)]
	got, err := r.Get(rt.Context(), key)
	if there && (err != nil || string(got) != want) || !there && !errors.Is(err, kv.ErrNotFound) {
		rt.Fatalf("get %q: %q, %v; want %q, %t", key, got, err, want, there)
	}
}

// bytesOf turns each slash into the last byte, which no string generator makes.
func bytesOf(s string) []byte {
	return []byte(strings.ReplaceAll(s, "/", "\xff"))
}
