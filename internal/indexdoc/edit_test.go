package indexdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// Digests of entries, short enough to read. The package takes any text.
const a, b, c = digest.Digest("a"), digest.Digest("b"), digest.Digest("c")

func gone(all ...digest.Digest) map[digest.Digest]indexdoc.Change {
	changes := make(map[digest.Digest]indexdoc.Change)
	for _, dgst := range all {
		changes[dgst] = indexdoc.Change{}
	}
	return changes
}

// What an edit is not about stays byte for byte: order, white space, unknown
// fields and how things are written (M2).
func TestEdit(t *testing.T) {
	tests := []struct {
		name, doc string
		changes   map[digest.Digest]indexdoc.Change
		want      string
	}{
		{"nothing", `{"manifests": [ {"digest":"a"} ,{"digest":"b"}]}`, nil, `{"manifests": [ {"digest":"a"} ,{"digest":"b"}]}`},
		{"nothing of it", ` {"manifests":[ ]} `, gone(c), ` {"manifests":[ ]} `},
		{"first", `{"manifests":[{"digest":"a"}, {"digest":"b"},{"digest":"c"}]}`, gone(a), `{"manifests":[{"digest":"b"},{"digest":"c"}]}`},
		{"middle", `{"manifests":[{"digest":"a"},  {"digest":"b"}, {"digest":"c"}]}`, gone(b), `{"manifests":[{"digest":"a"}, {"digest":"c"}]}`},
		{"last", `{"manifests":[{"digest":"a"}, {"digest":"b"} ]}`, gone(b), `{"manifests":[{"digest":"a"} ]}`},
		{"first two", `{"manifests":[ {"digest":"a"},{"digest":"b"},  {"digest":"c"}]}`, gone(a, b), `{"manifests":[ {"digest":"c"}]}`},
		{"all", `{"x":1, "manifests": [ {"digest":"a"} ] ,"y":2}`, gone(a), `{"x":1, "manifests": [] ,"y":2}`},
		{"twice", `{"manifests":[{"digest":"a"},{"digest":"b"},{"digest":"a","platform":{}}]}`, gone(a), `{"manifests":[{"digest":"b"}]}`},
		{
			"lines", "{\n\t\"manifests\": [\n\t\t{\"digest\": \"a\"},\n\t\t{\"digest\": \"b\"},\n\t\t{\"digest\": \"c\"}\n\t],\n\t\"z\": 1\n}\n", gone(b),
			"{\n\t\"manifests\": [\n\t\t{\"digest\": \"a\"},\n\t\t{\"digest\": \"c\"}\n\t],\n\t\"z\": 1\n}\n",
		},
		{
			"unknown fields", `{"é":"\u00e9","n":1.0e2,"manifests":[{"x":[1, 2],"digest":"a"},{"digest":"b","y":null}],"Size":9007199254740993}`, gone(b),
			`{"é":"\u00e9","n":1.0e2,"manifests":[{"x":[1, 2],"digest":"a"}],"Size":9007199254740993}`,
		},
		{"escaped digest", `{"manifests":[{"digest":"\u0061"},{"digest":"b"}]}`, gone(a), `{"manifests":[{"digest":"b"}]}`},
		{
			"replaced", `{"manifests":[{"size" : 1, "digest":"a", "annotations":{"digest":"a","size":"1"}},{"digest":"b"}]}`,
			map[digest.Digest]indexdoc.Change{a: {Digest: c, Size: 77}},
			`{"manifests":[{"size" : 77, "digest":"c", "annotations":{"digest":"a","size":"1"}},{"digest":"b"}]}`,
		},
		{"list within", `{"config":{"manifests":[{"digest":"a"}]},"manifests":[{"digest":"b"},{"digest":"a"}]}`, gone(a), `{"config":{"manifests":[{"digest":"a"}]},"manifests":[{"digest":"b"}]}`},
		{"no list", `{"schemaVersion":2}`, gone(a), `{"schemaVersion":2}`},
		{"null", `{"manifests":null}`, gone(a), `{"manifests":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := indexdoc.Edit([]byte(tt.doc), tt.changes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// A document of which readers do not agree what it says is refused, and so is
// one that is no index.
func TestEditRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		``:                                "no JSON",
		`{"manifests":[]} more`:           "no JSON",
		`[]`:                              "want {",
		`{"manifests":{}}`:                "want [",
		`{"manifests":[null]}`:            "want {",
		`{"manifests":[{"digest":7}]}`:    "number",
		`{"manifests":[],"manifests":[]}`: "twice",
		`{"Manifests":[]}`:                "another case",
		`{"manifeſts":[]}`:                "another case",
		`{"manifests":[{"digest":"a","Digest":"b"}]}`:           "another case",
		`{"manifests":[{"digest":"a"}]}`:                        `no "size"`,
		`{"manifests":[{"digest":"a","size":1,"size":2}]}`:      "twice",
		`{"manifests":[{"digest":"a","size":1}],"MANIFESTS":0}`: "another case",
	} {
		got, err := indexdoc.Edit([]byte(doc), map[digest.Digest]indexdoc.Change{a: {Digest: b, Size: 1}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v, want an error that says %q", doc, got, err, want)
		}
	}
}

// FuzzEdit removes entries of an index, as the bits of which say. What is left says
// what it said before but for them, to a reader that knows nothing of this
// package. Each entry takes one piece out of the document, and leaves the rest.
func FuzzEdit(f *testing.F) {
	for _, doc := range []string{
		`{"schemaVersion":2,"manifests":[{"digest":"a"},{"digest":"b"},{"digest":"a"}]}`,
		"{\n  \"manifests\": [\n    {\"digest\": \"a\", \"size\": 1},\n    {\"digest\": \"b\"}\n  ],\n  \"annotations\": {\"manifests\": \"[]\"}\n}\n",
		`{"manifests":[{"digest":"\u0061","x":{"digest":"b"}} , {"digest":"b"}],"manifests ":[{"digest":"a"}]}`,
		`{"manifests":[],"manifests":null}`, `{"Manifests":[{"digest":"a"}]}`, `{"manifests":[{"digest":"a"},{}]}`, `{"manifests":null}`,
	} {
		f.Add([]byte(doc), uint8(1))
		f.Add([]byte(doc), uint8(2))
	}
	f.Fuzz(func(t *testing.T, doc []byte, which uint8) {
		entries, err := indexdoc.Entries(doc)
		if err != nil {
			t.Skip() // it is refused, and nothing else is promised
		}
		if same, err := indexdoc.Edit(doc, nil); err != nil || string(same) != string(doc) {
			t.Fatalf("removing nothing: got %s, %v", same, err)
		}
		changes := gone()
		for i, dgst := range entries {
			if which&(1<<(i%8)) != 0 {
				changes[dgst] = indexdoc.Change{}
			}
		}
		got, err := indexdoc.Edit(doc, changes)
		if err != nil {
			t.Fatalf("removing some: %v", err)
		}
		sameBut(t, doc, got, changes)
		oneByOne(t, doc, got, entries, changes)
	})
}

// sameBut makes sure that a document says the same as before but for entries.
func sameBut(t *testing.T, before, after []byte, without map[digest.Digest]indexdoc.Change) {
	t.Helper()
	var was, is map[string]json.RawMessage
	if json.Unmarshal(before, &was) != nil || json.Unmarshal(after, &is) != nil {
		t.Fatalf("%s became %s", before, after)
	}
	var entries, left, want []json.RawMessage
	if json.Unmarshal(was["manifests"], &entries) != nil || json.Unmarshal(is["manifests"], &left) != nil {
		if string(before) != string(after) {
			t.Fatalf("%s without entries became %s", before, after)
		}
		return
	}
	for _, entry := range entries {
		var desc ocispec.Descriptor
		if json.Unmarshal(entry, &desc) != nil {
			return // some other field of it is of no use
		}
		if _, removed := without[desc.Digest]; !removed {
			want = append(want, entry)
		}
	}
	delete(was, "manifests")
	delete(is, "manifests")
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("other fields (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(texts(want), texts(left)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func texts(all []json.RawMessage) []string {
	found := make([]string, 0, len(all))
	for _, text := range all {
		found = append(found, string(text))
	}
	return found
}

// oneByOne makes sure that removing entries one by one comes to the same, and
// that each of them takes one piece out of the document and leaves the rest.
func oneByOne(t *testing.T, doc, want []byte, entries []digest.Digest, changes map[digest.Digest]indexdoc.Change) {
	t.Helper()
	times := make(map[digest.Digest]int)
	for _, dgst := range entries {
		times[dgst]++
	}
	for dgst := range changes {
		next, err := indexdoc.Edit(doc, gone(dgst))
		if err != nil {
			t.Fatalf("removing %q alone: %v", dgst, err)
		}
		if times[dgst] == 1 && !isCutOf(doc, next) {
			t.Errorf("without %q\n%s\nbecame\n%s", dgst, doc, next)
		}
		doc = next
	}
	if diff := cmp.Diff(string(want), string(doc)); diff != "" {
		t.Errorf("removed one by one (-at once +one by one):\n%s", diff)
	}
}

// isCutOf reports whether taking one piece out of a document gives the other.
func isCutOf(before, after []byte) bool {
	less := len(before) - len(after)
	for at := 0; at <= len(after) && less > 0; at++ {
		if string(before[:at])+string(before[at+less:]) == string(after) {
			return true
		}
	}
	return false
}
