package refstore_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/refstore"
)

func (f fixture) addTag(ref reference.Named, id digest.Digest, opts refstore.AddOptions) error {
	return f.edit(func(s *refstore.Store) error { return s.AddTag(f.Context(), ref, id, opts) })
}

func TestAddTagToAnotherImage(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:1")
	f.add(idA, "app:1") // the same again
	err := f.addTag(parse(t, "app:1"), idB, refstore.AddOptions{})
	checkError(t, err, class.Conflict, "tag app:1 is already set to image "+string(idA)+", use the force option to replace it")
	checkDiff(t, f.all(), []string{"docker.io/library/app:1 a"})
	checkDiff(t, f.references(idA), []string{"docker.io/library/app:1"})

	if err := f.addTag(parse(t, "app:1"), idB, refstore.AddOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	checkDiff(t, f.all(), []string{"docker.io/library/app:1 b"})
	checkDiff(t, f.references(idA), []string(nil))
	checkDiff(t, f.references(idB), []string{"docker.io/library/app:1"})
}

func TestAddDigestToAnotherImage(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app@"+someDigest)
	f.add(idA, "app:1@"+someDigest) // R6: the same again
	err := f.edit(func(s *refstore.Store) error { return addAny(t, s, "app@"+someDigest, idB) })
	checkError(t, err, class.Conflict, "cannot overwrite digest "+someDigest)
	checkDiff(t, f.all(), []string{"docker.io/library/app@" + someDigest + " a"})
}

// A foreignNamed is a name that no parser has seen.
type foreignNamed string

func (n foreignNamed) Name() string   { return string(n) }
func (n foreignNamed) String() string { return string(n) }

func TestAddRefuses(t *testing.T) {
	tests := []struct {
		name string
		ref  reference.Named
		id   digest.Digest
		want string
	}{
		{"digest", parse(t, "app@"+someDigest), idA, "refusing to create a tag with a digest reference"},
		{"tag and digest", parse(t, "app:1@"+someDigest), idA, "refusing to create a tag with a digest reference"},
		{"algorithm", parse(t, "sha256:1"), idA, "refusing to create an ambiguous tag using digest algorithm as name"},
		{"algorithm in full", parse(t, "docker.io/library/sha256:1"), idA, "refusing to create an ambiguous tag"},
		{"nil", nil, idA, "no reference"},
		{"malformed ID", parse(t, "app:1"), "sha256:1", `image ID "sha256:1": invalid checksum digest length`},
		{"no ID", parse(t, "app:1"), "", `image ID "": invalid`},
		{"malformed name", foreignNamed("example.com/../app"), idA, "invalid reference format"},
		{"malformed familiar name", foreignNamed("A B"), idA, "invalid reference format"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			checkError(t, f.addTag(test.ref, test.id, refstore.AddOptions{Force: true}), class.InvalidArgument, test.want)
			checkDiff(t, f.all(), []string(nil))
		})
	}
}

func TestAlgorithmIsRefusedForDigestsToo(t *testing.T) {
	f := newFixture(t)
	err := f.edit(func(s *refstore.Store) error { return addAny(t, s, "sha256@"+someDigest, idA) })
	checkError(t, err, class.InvalidArgument, "refusing to create an ambiguous tag using digest algorithm as name")
	f.add(idA, "user/sha256:1", "example.com/sha256:1", "sha512:1")
	id := "sha512:" + strings.Repeat("ab", 64)
	err = f.edit(func(s *refstore.Store) error { return addAny(t, s, id, idA) })
	checkError(t, err, class.InvalidArgument, "refusing to create an ambiguous tag using digest algorithm as name")
}

// D15: of two removals one succeeds.
func TestDelete(t *testing.T) {
	f := newFixture(t)
	f.add(idA, "app:1", "app@"+someDigest, "app")
	for _, name := range []string{"docker.io/library/app:1", "app:9@" + someDigest, "app"} {
		checkError(t, f.delete(name, idB), class.NotFound, "no longer names image "+string(idB))
		if err := f.delete(name, idA); err != nil {
			t.Fatal(err)
		}
		checkError(t, f.delete(name, idA), class.NotFound, "does not exist")
	}
	checkDiff(t, f.all(), []string(nil))
	checkDiff(t, f.references(idA), []string(nil))
}

// Both directions agree with a map after any history.
func TestHistory(t *testing.T) {
	names := []string{"app:1", "app:2", "app-b:1", "app@" + someDigest, "user/app:1", "localhost:5000/app:1"}
	rapid.Check(t, func(rt *rapid.T) {
		db, model := memkv.New(), map[string]digest.Digest{}
		name, id := rapid.SampledFrom(names), rapid.SampledFrom([]digest.Digest{idA, idB})
		update := func(want bool, fn func(*refstore.Store) error) {
			err := db.Update(rt.Context(), func(tx kv.Tx) error { return fn(refstore.New(tx)) })
			if (err == nil) != want {
				rt.Fatalf("got error %v, want success %v", err, want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				n, id := name.Draw(rt, "name"), id.Draw(rt, "id")
				opts := refstore.AddOptions{Force: rapid.Bool().Draw(rt, "force")}
				canonical, isDigest := parse(t, n).(reference.Canonical)
				ok := model[n] == "" || model[n] == id || opts.Force && !isDigest
				update(ok, func(s *refstore.Store) error {
					if isDigest {
						return s.AddDigest(rt.Context(), canonical, id)
					}
					return s.AddTag(rt.Context(), parse(t, n), id, opts)
				})
				if ok {
					model[n] = id
				}
			},
			"delete": func(rt *rapid.T) {
				n, id := name.Draw(rt, "name"), id.Draw(rt, "id")
				ok := model[n] == id
				update(ok, func(s *refstore.Store) error { return s.Delete(rt.Context(), parse(t, n), id) })
				if ok {
					delete(model, n)
				}
			},
			"": func(rt *rapid.T) { checkModel(rt, db, model) },
		})
	})
}

func checkModel(t *rapid.T, db kv.DB, model map[string]digest.Digest) {
	both := map[string]digest.Digest{}
	err := db.View(t.Context(), func(r kv.Reader) error {
		s := refstore.NewReader(r)
		got := map[string]digest.Digest{}
		for a, err := range s.All(t.Context()) {
			if err != nil {
				return err
			}
			got[reference.FamiliarString(a.Ref)] = a.ID
		}
		if diff := cmp.Diff(model, got); diff != "" {
			t.Fatal(diff)
		}
		for _, id := range []digest.Digest{idA, idB} {
			refs, err := s.References(t.Context(), id)
			if err != nil {
				return err
			}
			for _, ref := range refs {
				both[reference.FamiliarString(ref)] = id
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(model, both); diff != "" {
		t.Fatal(diff)
	}
}
