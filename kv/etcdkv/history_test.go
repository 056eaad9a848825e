package etcdkv_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// Random histories of two programs, in which commits are cut and answers are lost,
// leave what they leave in a map.
func TestHistories(t *testing.T) {
	f, address := newFake(t)
	c := client(t, address)
	rapid.Check(t, func(rt *rapid.T) {
		f.clear()
		h := &history{fake: f, client: c, model: map[string]string{}}
		for i := range h.dbs {
			h.dbs[i] = h.open(rt)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"update": func(rt *rapid.T) { h.update(rt, nil) },
			"undo":   func(rt *rapid.T) { h.update(rt, errUndo) },
			"cut":    h.cut,
			"lose":   h.lose,
			"":       h.check,
		})
	})
}

// clear makes the fake as it was.
func (f *fake) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pairs.Clear()
	f.fault, f.late = nil, nil
}

// A history is two programs with one store, and the map that it should equal.
type history struct {
	fake   *fake
	client *clientv3.Client
	dbs    [2]kv.DB
	model  map[string]string
}

var errUndo = errors.New("undo")

func (h *history) open(rt *rapid.T) kv.DB {
	db, err := etcdkv.New(rt.Context(), h.client, few)
	if err != nil {
		rt.Fatal(err)
	}
	return db
}

// db is one of the programs.
func (h *history) db(rt *rapid.T) kv.DB { return h.dbs[rapid.IntRange(0, 1).Draw(rt, "db")] }

// Few letters, so that keys meet, and kinds; the last byte, so that prefixes have no
// successor; the first, so that keys follow each other at once.
func keys(least int) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune("ab/#0")), least, 4, -1)
}

// keyOf turns each # into the last byte, which no string generator makes, and each 0
// into the first.
func keyOf(s string) []byte { return []byte(strings.NewReplacer("#", "\xff", "0", "\x00").Replace(s)) }

// update writes at random, checks what the transaction reads, and ends with err.
func (h *history) update(rt *rapid.T, end error) {
	after, err := h.write(rt, end)
	if err != end { //nolint:errorlint // the error comes back as it is
		rt.Fatalf("update returns %v, want %v", err, end)
	}
	if end == nil {
		h.model = after
	}
}

// write returns what the map should be after an update, and the update's error.
func (h *history) write(rt *rapid.T, end error) (map[string]string, error) {
	type write struct {
		key, value string
		gone       bool
	}
	var writes []write
	for range rapid.SampledFrom([]int{1, 3, 20}).Draw(rt, "writes") {
		writes = append(writes, write{
			string(keyOf(keys(1).Draw(rt, "key"))), rapid.StringN(0, 3, -1).Draw(rt, "value"), rapid.IntRange(0, 2).Draw(rt, "kind") == 0,
		})
	}
	prefix := keyOf(keys(0).Draw(rt, "prefix"))
	var after map[string]string
	err := h.db(rt).Update(rt.Context(), func(tx kv.Tx) error {
		after = maps.Clone(h.model)
		for _, w := range writes {
			err := error(nil)
			if w.gone {
				delete(after, w.key)
				err = tx.Delete(rt.Context(), []byte(w.key))
			} else {
				after[w.key] = w.value
				err = tx.Put(rt.Context(), []byte(w.key), []byte(w.value))
			}
			if err != nil {
				return err
			}
		}
		compare(rt, tx, after, prefix)
		return end
	})
	return after, err
}

// cut makes a program end at some request of an update. Another takes its place.
func (h *history) cut(rt *rapid.T) {
	last := rapid.SampledFrom([]fault{{err: errRefused}, {err: errLost, do: true}, {err: errLost, late: true}}).Draw(rt, "last")
	ended := h.fake.cut(rapid.IntRange(0, 6).Draw(rt, "request"), last)
	after, err := h.write(rt, nil)
	ended()
	for i := range h.dbs {
		h.dbs[i] = h.open(rt)
	}
	switch {
	case err == nil:
		h.model = after
	case errors.As(err, new(*etcdkv.UnknownError)):
		h.learn(rt, after)
	}
}

// learn looks which of two states an update has left that is not known to be made.
// One that is on its way is made before that, or never.
func (h *history) learn(rt *rapid.T, after map[string]string) {
	if got, err := entriesOf(rt.Context(), h.dbs[0], ""); err != nil {
		rt.Fatal(err)
	} else if cmp.Equal(got, after) {
		h.model = after
	}
}

// lose loses the answer to a request of an update, which is found out about.
func (h *history) lose(rt *rapid.T) {
	happens := rapid.SampledFrom([]fault{{err: errLost}, {err: errLost, do: true}, {err: errLost, late: true}}).Draw(rt, "request")
	h.fake.once(happens)
	defer h.fake.faulty(nil)
	h.update(rt, nil)
}

func (h *history) check(rt *rapid.T) {
	prefix := keyOf(keys(0).Draw(rt, "prefix"))
	err := h.db(rt).View(rt.Context(), func(r kv.Reader) error {
		compare(rt, r, h.model, prefix)
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// compare reads one prefix, the key that is the prefix, all, and the prefix again.
func compare(rt *rapid.T, r kv.Reader, model map[string]string, prefix []byte) {
	for _, prefix := range [][]byte{prefix, nil, prefix} {
		want, there := model[string(prefix)]
		got, err := r.Get(rt.Context(), prefix)
		if there && (err != nil || string(got) != want) || !there && !errors.Is(err, kv.ErrNotFound) {
			rt.Fatalf("get %q: %q, %v; want %q, %t", prefix, got, err, want, there)
		}
		var found, wanted []string
		for e, err := range r.Scan(rt.Context(), prefix) {
			if err != nil {
				rt.Fatalf("scan %q: %v", prefix, err)
			}
			found = append(found, string(e.Key), string(e.Value))
		}
		for _, key := range slices.Sorted(maps.Keys(model)) {
			if strings.HasPrefix(key, string(prefix)) {
				wanted = append(wanted, key, model[key])
			}
		}
		if diff := cmp.Diff(wanted, found); diff != "" {
			rt.Fatalf("scan %q (-want +got):\n%s", prefix, diff)
		}
	}
}
