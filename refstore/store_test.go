package refstore_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/refstore"
)

// someDigest is what the digest references of the tests end with.
const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// The IDs of two images.
var (
	idA = digest.FromString("a")
	idB = digest.FromString("b")
)

// A fixture is an empty store in memory whose transactions fail the test.
type fixture struct {
	testing.TB
	db kv.DB
}

func newFixture(t testing.TB) fixture {
	return fixture{t, memkv.New()}
}

// edit runs fn in a transaction and returns its error.
func (f fixture) edit(fn func(*refstore.Store) error) error {
	return f.db.Update(f.Context(), func(tx kv.Tx) error { return fn(refstore.New(tx)) })
}

// view runs fn in a transaction that only reads and must succeed.
func (f fixture) view(fn func(*refstore.Store) error) {
	f.Helper()
	err := f.db.View(f.Context(), func(r kv.Reader) error { return fn(refstore.NewReader(r)) })
	if err != nil {
		f.Fatal(err)
	}
}

// add adds tags and digest references, each in its familiar form, to an image.
func (f fixture) add(id digest.Digest, names ...string) {
	f.Helper()
	err := f.edit(func(s *refstore.Store) error {
		for _, name := range names {
			if err := addAny(f, s, name, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

func addAny(t testing.TB, s *refstore.Store, name string, id digest.Digest) error {
	t.Helper()
	ref := parse(t, name)
	if canonical, ok := ref.(reference.Canonical); ok {
		return s.AddDigest(t.Context(), canonical, id)
	}
	return s.AddTag(t.Context(), ref, id, refstore.AddOptions{})
}

func (f fixture) delete(name string, id digest.Digest) error {
	return f.edit(func(s *refstore.Store) error { return s.Delete(f.Context(), parse(f, name), id) })
}

// references returns the full strings of the references to an image.
func (f fixture) references(id digest.Digest) (names []string) {
	f.Helper()
	f.view(func(s *refstore.Store) error {
		refs, err := s.References(f.Context(), id)
		for _, ref := range refs {
			names = append(names, ref.String())
		}
		return err
	})
	return names
}

// all returns all associations, each as "<reference> <letter of the ID>".
func (f fixture) all() (lines []string) {
	f.Helper()
	f.view(func(s *refstore.Store) error {
		lines = list(f, s.All(f.Context()))
		return nil
	})
	return lines
}

func list(t testing.TB, seq iter.Seq2[refstore.Association, error]) (lines []string) {
	t.Helper()
	letter := map[digest.Digest]string{idA: "a", idB: "b"}
	for a, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, a.Ref.String()+" "+letter[a.ID])
	}
	return lines
}

// parse parses a name in its familiar form, without normalizing it.
func parse(t testing.TB, name string) reference.Named {
	t.Helper()
	ref, err := reference.Parse(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	named, ok := ref.(reference.Named)
	if !ok {
		t.Fatalf("%s has no name", name)
	}
	return named
}

func checkDiff(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got + where - is wanted:\n%s", diff)
	}
}

// checkError checks the class of an error, that it is of no other, and its text.
func checkError(t testing.TB, err, want error, text string) {
	t.Helper()
	for _, c := range []error{class.InvalidArgument, class.NotFound, class.Conflict, class.Unavailable, class.Internal} {
		if got := errors.Is(err, c); got != (c == want) { //nolint:errorlint // sentinels
			t.Fatalf("got error %v, is %v: %v, want class %v alone", err, c, got, want)
		}
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("got error %q, want %q in it", err, text)
	}
}

// Every form of a name finds the reference; R6: with a tag and a digest, the
// digest counts.
func TestGetTakesEveryForm(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app", "app@"+someDigest, "user/app:1", "localhost/app:1", "localhost:5000/app:1", "Upper/app:1", "example.com/app:1")
	for _, name := range []string{
		"app", "app:latest", "library/app", "docker.io/app", "docker.io/library/app:latest", "index.docker.io/app",
		"index.docker.io/library/app",
		"app@" + someDigest, "app:1@" + someDigest, "docker.io/library/app:other@" + someDigest,
		"user/app:1", "docker.io/user/app:1",
		"localhost/app:1", "localhost:5000/app:1", "Upper/app:1", "example.com/app:1",
	} {
		f.view(func(s *refstore.Store) error {
			got, err := s.Get(t.Context(), parse(t, name))
			if err != nil || got != idA {
				t.Errorf("%s: got %s, %v, want %s", name, got, err, idA)
			}
			return nil
		})
	}
}

func TestGetMissing(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:1")
	for _, name := range []string{"app", "app:11", "app:1@" + someDigest, "other/app:1", "example.com/app:1"} {
		f.view(func(s *refstore.Store) error {
			_, err := s.Get(t.Context(), parse(t, name))
			checkError(t, err, class.NotFound, "does not exist")
			return nil
		})
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	f := newFixture(t)
	f.view(func(s *refstore.Store) error {
		_, err := s.Get(t.Context(), nil)
		checkError(t, err, class.InvalidArgument, "no reference")
		_, err = s.Get(t.Context(), parse(t, strings.Repeat("a", 64)))
		checkError(t, err, class.InvalidArgument, "cannot specify 64-byte hexadecimal strings")
		return nil
	})
}

func TestReferencesAreSorted(t *testing.T) {
	f := newFixture(t)
	f.add(idB, "a:2")
	f.add(idA, "z:1", "a:1", "a@"+someDigest, "example.com/a:1", "a-b:1", "user/a:1")
	checkDiff(t, f.references(idA), []string{
		"docker.io/library/a-b:1",
		"docker.io/library/a:1",
		"docker.io/library/a@" + someDigest,
		"docker.io/library/z:1",
		"docker.io/user/a:1",
		"example.com/a:1",
	})
	checkDiff(t, f.references(idB), []string{"docker.io/library/a:2"})
	checkDiff(t, f.references("sha256:"), []string(nil))
}

func TestAllIsSorted(t *testing.T) {
	f := newFixture(t)
	f.add(idB, "a:2", "b:1")
	f.add(idA, "a:1", "a-b:1")
	checkDiff(t, f.all(), []string{
		"docker.io/library/a-b:1 a",
		"docker.io/library/a:1 a",
		"docker.io/library/a:2 b",
		"docker.io/library/b:1 b",
	})
	f.view(func(s *refstore.Store) error {
		n := 0
		for range s.All(t.Context()) {
			n++
			break
		}
		checkDiff(t, n, 1)
		return nil
	})
}

// What comes out is what parsing the full string gives.
func TestReferencesAreLikeParsed(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:1", "app:2", "localhost:5000/a/b/c:1", "app@"+someDigest)
	f.view(func(s *refstore.Store) error {
		for a, err := range s.All(t.Context()) {
			if err != nil {
				return err
			}
			want, err := reference.ParseNormalizedNamed(a.Ref.String())
			if err != nil {
				return err
			}
			if a.Ref != want {
				t.Errorf("got %#v, want %#v", a.Ref, want)
			}
		}
		return nil
	})
}

func TestRepository(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:2", "app@"+someDigest, "app-b:1", "app/b:1", "ap:1", "localhost:5000/app:1")
	f.add(idB, "app:1")
	for _, name := range []string{"app", "app:9", "docker.io/library/app", "app@" + someDigest} {
		f.view(func(s *refstore.Store) error {
			found, err := s.Repository(t.Context(), parse(t, name))
			checkDiff(t, list(t, func(yield func(refstore.Association, error) bool) {
				for _, a := range found {
					yield(a, nil)
				}
			}), []string{
				"docker.io/library/app:1 b",
				"docker.io/library/app:2 a",
				"docker.io/library/app@" + someDigest + " a",
			})
			return err
		})
	}
}

func TestReaderRefusesToWrite(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:1")
	f.view(func(s *refstore.Store) error {
		const text = "read-only transaction"
		checkError(t, addAny(t, s, "app:2", idA), class.Internal, text)
		checkError(t, addAny(t, s, "app@"+someDigest, idA), class.Internal, text)
		checkError(t, s.Delete(t.Context(), parse(t, "app:1"), idA), class.Internal, text)
		return nil
	})
}

// E3: damage names the key and what to do.
func TestDamageNamesKey(t *testing.T) {
	const key = "ref/docker.io/library/app:1"
	f := newFixture(t)
	f.add(idA, "app:1")
	put(f, key, []byte("junk"))
	damage := `key "` + key + `": damaged`
	f.view(func(s *refstore.Store) error {
		_, err := s.Get(t.Context(), parse(t, "app:1"))
		checkError(t, err, class.Internal, damage)
		_, err = s.Repository(t.Context(), parse(t, "app:1"))
		checkError(t, err, class.Internal, damage)
		n := 0
		for _, err := range s.All(t.Context()) {
			n++
			checkError(t, err, class.Internal, damage)
		}
		checkDiff(t, n, 1)
		return nil
	})
	err := f.edit(func(s *refstore.Store) error { return addAny(t, s, "app:1", idA) })
	checkError(t, err, class.Internal, damage)
	checkError(t, f.delete("app:1", idB), class.Internal, damage)

	// The image's own list says that it is the one, so it can be deleted.
	if err := f.delete("app:1", idA); err != nil {
		t.Errorf("delete of a damaged reference: %v", err)
	}
	checkDiff(t, f.all(), []string(nil))
}

// E3: so does an entry that is no reference.
func TestDamagedEntryNamesKey(t *testing.T) {
	for _, name := range []string{"", "app", "a b:1", "docker.io/library/app:", "a b@" + someDigest, "docker.io/library/app@sha256:1", "APP:1"} {
		f := newFixture(t)
		key := "idref/" + string(idA) + "/" + name
		put(f, key, nil)
		f.view(func(s *refstore.Store) error {
			_, err := s.References(t.Context(), idA)
			checkError(t, err, class.Internal, `key "`+key+`": damaged`)
			return nil
		})
	}
}

func put(f fixture, key string, value []byte) {
	f.Helper()
	err := f.db.Update(f.Context(), func(tx kv.Tx) error { return tx.Put(f.Context(), []byte(key), value) })
	if err != nil {
		f.Fatal(err)
	}
}
