package etcdkv_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jettison-oci/jettison/kv"
)

// No answer is larger than some MiB, however large the entries are, and small ones
// come many at a time.
func TestAnswersAreBounded(t *testing.T) {
	for _, c := range []struct{ entries, size, requests int }{
		{50_000, 10, 50},
		{300, 100 << 10, 40},
		{20, 1 << 20, 20},
	} {
		t.Run(fmt.Sprintf("%d of %d bytes", c.entries, c.size), func(t *testing.T) {
			f, db := open(t, nil)
			if err := putAll(t.Context(), db, many("kind/", c.entries, strings.Repeat("v", c.size))); err != nil {
				t.Fatal(err)
			}
			f.sizes = nil
			got, err := entriesOf(t.Context(), db, "kind/")
			if err != nil || len(got) != c.entries {
				t.Errorf("got %d entries, %v; want %d", len(got), err, c.entries)
			}
			if len(f.sizes) > c.requests {
				t.Errorf("%d requests, want %d at most", len(f.sizes), c.requests)
			}
			for _, size := range f.sizes {
				if size > 9<<20 {
					t.Errorf("an answer of %d bytes", size)
				}
			}
		})
	}
}

// Many small questions cost few requests, in whatever order they are asked; a single
// one costs a small answer.
func TestManyQuestions(t *testing.T) {
	f, db := open(t, nil)
	const n = 5000
	if err := putAll(t.Context(), db, both(many("a/", n, "1"), many("b/", n, "2"))); err != nil {
		t.Fatal(err)
	}
	f.sizes = nil
	err := db.View(t.Context(), func(r kv.Reader) error {
		for i, at := range rand.Perm(n) {
			if value, err := r.Get(t.Context(), fmt.Appendf(nil, "a/%05d", at)); err != nil || string(value) != "1" {
				t.Errorf("entry %d is %q, %v", at, value, err)
			}
			for e, err := range r.Scan(t.Context(), fmt.Appendf(nil, "b/%05d", at)) {
				if err != nil || string(e.Value) != "2" {
					t.Errorf("entry %d is %v, %v", at, e, err)
				}
			}
			if i == 0 && len(f.sizes) != 3 {
				t.Errorf("two questions cost %d requests, want 3 with that for the head", len(f.sizes))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if len(f.sizes) > 400 {
		t.Errorf("%d requests for %d questions", len(f.sizes), 2*n)
	}
	volume := 0
	for _, size := range f.sizes {
		volume += size
	}
	if each := volume / (2 * n); each > 50 {
		t.Errorf("%d bytes for each entry, so that some are read twice", each)
	}
	if f.sizes[1] > 2000 {
		t.Errorf("the answer to the first question has %d bytes", f.sizes[1])
	}
}

// A transaction that reads more than is kept in memory reads it all the same, and
// goes on with scans in which it read something else.
func TestMoreThanIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 100 MiB and more")
	}
	f, db := open(t, nil)
	const n = 100
	if err := putAll(t.Context(), db, many("a/", n, strings.Repeat("v", 1<<20))); err != nil {
		t.Fatal(err)
	}
	read := func(r kv.Reader) (found int, err error) {
		for e, err := range r.Scan(t.Context(), []byte("a/")) {
			if err != nil {
				return found, err
			}
			if got := fmt.Sprintf("a/%05d", found); string(e.Key) != got {
				t.Errorf("got %s, want %s", e.Key, got)
			}
			if found++; found%30 == 0 {
				if _, err := r.Get(t.Context(), fmt.Appendf(nil, "a/%05d", n-found)); err != nil {
					return found, err
				}
			}
		}
		return found, nil
	}
	err := db.View(t.Context(), func(r kv.Reader) error {
		for range 2 {
			if found, err := read(r); err != nil || found != n {
				t.Errorf("read %d entries, %v; want %d", found, err, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := f.calls["range"]; got < n+n/2 {
		t.Errorf("%d requests: everything was kept", got)
	}
}
