package indexdoc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// listing is an index of these, with white space that no encoder makes.
func listing(name string, entries ...digest.Digest) []byte {
	var items []string
	for _, entry := range entries {
		items = append(items, fmt.Sprintf(`{ "digest":%q,"size":1 }`, entry))
	}
	return fmt.Appendf(nil, "{\"name\": %q,\n \"manifests\":[ %s]}", name, strings.Join(items, " ,\n"))
}

// nested has an outer index with a manifest of its own and an inner one, which
// lies in a middle one too.
type nested struct {
	docs                 map[digest.Digest][]byte
	outer, middle, inner digest.Digest
}

func newNested() nested {
	n := nested{docs: make(map[digest.Digest][]byte)}
	put := func(doc []byte) digest.Digest {
		dgst := digest.FromBytes(doc)
		n.docs[dgst] = doc
		return dgst
	}
	n.inner = put(listing("inner", a, b))
	n.middle = put(listing("middle", n.inner, c))
	n.outer = put(listing("outer", n.inner, n.middle, c))
	return n
}

// resized is a document with the size of an index in it that was written anew.
func resized(doc, index []byte) []byte {
	entry := func(size int) string { return fmt.Sprintf(`%q,"size":%d `, digest.FromBytes(index), size) }
	return []byte(strings.Replace(string(doc), entry(1), entry(len(index)), 1))
}

// A manifest goes wherever it is listed, also in indexes in the index, which get
// other digests and sizes; the rest of them stays byte for byte (M2).
func TestWithout(t *testing.T) {
	n := newNested()
	inner := listing("inner", b)
	middle := resized(listing("middle", digest.FromBytes(inner), c), inner)
	outer := resized(resized(listing("outer", digest.FromBytes(inner), digest.FromBytes(middle), c), inner), middle)

	got, err := indexdoc.Without(n.outer, n.docs, []digest.Digest{a})
	if err != nil {
		t.Fatal(err)
	}
	want := []indexdoc.Document{
		{Digest: digest.FromBytes(outer), Data: outer, Was: n.outer},
		{Digest: digest.FromBytes(middle), Data: middle, Was: n.middle},
		{Digest: digest.FromBytes(inner), Data: inner, Was: n.inner},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// An index that loses its last entry goes, and with the last of all nothing is
// left. One that had none stays. Taking nothing out changes nothing.
func TestWithoutTheLast(t *testing.T) {
	n := newNested()
	empty := listing("empty")
	n.docs[digest.FromBytes(empty)] = empty
	outer := listing("outer", n.middle, digest.FromBytes(empty))
	root := digest.FromBytes(outer)
	n.docs[root] = outer
	tests := []struct {
		name    string
		root    digest.Digest
		without []digest.Digest
		want    []digest.Digest // of the documents that are left, before
	}{
		{"nothing", n.outer, nil, []digest.Digest{n.outer, n.middle, n.inner}},
		{"what is not there", n.outer, []digest.Digest{"x"}, []digest.Digest{n.outer, n.middle, n.inner}},
		{"all of the inner", n.outer, []digest.Digest{a, b}, []digest.Digest{n.outer, n.middle}},
		{"all of the middle", n.outer, []digest.Digest{a, b, c}, nil},
		{"all but the empty", root, []digest.Digest{a, b, c}, []digest.Digest{root, digest.FromBytes(empty)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			left, err := indexdoc.Without(tt.root, n.docs, tt.without)
			if err != nil {
				t.Fatal(err)
			}
			var got []digest.Digest
			for _, doc := range left {
				got = append(got, doc.Was)
				if same := string(doc.Data) == string(n.docs[doc.Was]); same != (doc.Was == doc.Digest) {
					t.Errorf("%s became %s with the digest %s", n.docs[doc.Was], doc.Data, doc.Digest)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// The error names the document that is wrong.
func TestWithoutRefuses(t *testing.T) {
	n := newNested()
	n.docs[n.inner] = []byte("damaged")
	_, err := indexdoc.Without(n.outer, n.docs, []digest.Digest{a})
	var wrong *indexdoc.Error
	if !errors.As(err, &wrong) || wrong.Digest != n.inner {
		t.Errorf("got %v, want an error about %s", err, n.inner)
	}
}
