package diskstore_test

import (
	"context"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

func ingest(t testing.TB, s *diskstore.Store) *diskstore.Ingest {
	t.Helper()
	in, err := s.Ingest(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, in.Close()) })
	return in
}

// nothing commits no records.
func nothing(*kvstore.Tx) error { return nil }

// unread fails the test when it is read.
type unread struct{ t testing.TB }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("content was read that is there")
	return 0, io.EOF
}

func TestWriteFillsInTheDescriptor(t *testing.T) {
	s := open(t, t.TempDir())
	sha512 := ocispec.Descriptor{Digest: digest.SHA512.FromString("content"), Size: 7}
	for _, want := range []ocispec.Descriptor{{}, {Size: 7}, describe("content"), sha512} {
		want.MediaType = "text/plain"
		got, err := ingest(t, s).Write(t.Context(), strings.NewReader("content"), want)
		must(t, err)
		if want.Digest == "" {
			want.Digest = digest.FromString("content")
		}
		want.Size = 7
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("descriptor (-got +want):\n%s", diff)
		}
	}
}

func TestWriteRefusesOtherContent(t *testing.T) {
	s := open(t, t.TempDir())
	want := describe("content")
	for _, test := range []struct {
		content string
		want    ocispec.Descriptor
		text    string
	}{
		{"contest", want, "content has digest " + digest.FromString("contest").String() + ", not " + want.Digest.String()},
		{"conten", want, want.Digest.String() + " has 6 bytes, not 7"},
		{"contents", want, want.Digest.String() + " is longer than 7 bytes"},
		{"contents", ocispec.Descriptor{Size: 7}, "content is longer than 7 bytes"},
		{"x", ocispec.Descriptor{Digest: digest.FromString("")}, "is longer than 0 bytes"},
		{"x", ocispec.Descriptor{Size: -1}, "invalid size -1"},
		{"x", ocispec.Descriptor{Size: math.MaxInt64}, "has 1 bytes"},
		{"x", ocispec.Descriptor{Digest: "sha256:../../../x"}, `"sha256:../../../x"`},
		{"x", ocispec.Descriptor{Digest: "../x"}, `"../x"`},
		{"x", ocispec.Descriptor{Digest: "md5:" + digest.Digest(strings.Repeat("0", 32))}, "md5"},
	} {
		_, err := ingest(t, s).Write(t.Context(), strings.NewReader(test.content), test.want)
		wants(t, err, jettison.ErrInvalidArgument, test.text)
	}
	if left := onDisk(t, s.Dir()); len(left) > 0 {
		t.Errorf("got files %v, want none", left)
	}
}

func TestWriteErrorsAreTyped(t *testing.T) {
	in := ingest(t, open(t, t.TempDir()))
	want := describe("content")
	_, err := in.Write(t.Context(), strings.NewReader("contest"), want)
	var wrong *diskstore.DigestError
	if !errors.As(err, &wrong) || wrong.Want != want.Digest || wrong.Got != digest.FromString("contest") {
		t.Errorf("got %#v, want a DigestError", err)
	}
	_, err = in.Write(t.Context(), strings.NewReader("contents and more"), want)
	var size *diskstore.SizeError
	if !errors.As(err, &size) || *size != (diskstore.SizeError{Digest: want.Digest, Want: 7, Got: 8}) {
		t.Errorf("got %#v, want a SizeError that read one byte too many", err)
	}
}

func TestWriteStops(t *testing.T) {
	s := open(t, t.TempDir())
	in := ingest(t, s)
	_, err := in.Write(t.Context(), io.MultiReader(strings.NewReader("con"), iotest.ErrReader(io.ErrUnexpectedEOF)), describe("content"))
	wants(t, err, jettison.ErrUnavailable, "unexpected EOF")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = in.Write(ctx, strings.NewReader("content"), describe("content"))
	wants(t, err, jettison.ErrUnavailable, "canceled")
	if left := onDisk(t, s.Dir()); len(left) > 0 {
		t.Errorf("got files %v, want none", left)
	}
}

func TestContentIsWrittenOnce(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	in := ingest(t, s)
	_, err = in.Write(t.Context(), unread{t}, describe("layer"))
	must(t, err)
	_, err = in.Write(t.Context(), strings.NewReader("layer"), ocispec.Descriptor{}) // must be read
	must(t, err)
	for range 2 {
		_, err = in.Write(t.Context(), strings.NewReader("more"), ocispec.Descriptor{})
		must(t, err)
	}
	_, err = in.Write(t.Context(), unread{t}, describe("more"))
	must(t, err)
	if got := len(onDisk(t, s.Dir())); got != 3 {
		t.Errorf("got %d files, want configuration, layer and one that is being written", got)
	}
}

func TestHas(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	stray := describe("stray")
	write(t, filepath.Join(s.Dir(), "blobs", "sha256", stray.Digest.Encoded()), "stray")
	longer := describe("layer")
	longer.Size++
	in := ingest(t, s)
	for name, test := range map[string]struct {
		content ocispec.Descriptor
		want    bool
	}{
		"there": {describe("layer"), true}, "not there": {describe("none"), false},
		"of another size": {longer, false}, "unknown to the records": {stray, false},
	} {
		got, err := in.Has(t.Context(), test.content)
		if err != nil || got != test.want {
			t.Errorf("%s: got %t (error %v), want %t", name, got, err, test.want)
		}
	}
	_, err = in.Has(t.Context(), ocispec.Descriptor{})
	wants(t, err, jettison.ErrInvalidArgument, `""`)
}

func TestAbortLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	failure := errors.New("no")
	for name, end := range map[string]func(*diskstore.Ingest) error{
		"closed": (*diskstore.Ingest).Close,
		"failed": func(in *diskstore.Ingest) error {
			err := in.Commit(t.Context(), func(*kvstore.Tx) error { return failure })
			if err != failure { //nolint:errorlint // it comes back as it is
				t.Errorf("got error %v, want the function's own", err)
			}
			return nil
		},
		"unused": func(in *diskstore.Ingest) error { return in.Commit(t.Context(), nothing) },
		"cancelled": func(in *diskstore.Ingest) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wants(t, in.Commit(ctx, nothing), jettison.ErrUnavailable, "canceled")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := ingest(t, s)
			_, err := in.Write(t.Context(), strings.NewReader("content"), ocispec.Descriptor{})
			must(t, err)
			must(t, end(in))
			if left := onDisk(t, s.Dir()); len(left) > 0 {
				t.Errorf("got files %v, want none", left)
			}
			_, err = in.Write(t.Context(), strings.NewReader("content"), ocispec.Descriptor{})
			wants(t, err, jettison.ErrInvalidArgument, "has ended")
			wants(t, in.Commit(t.Context(), nothing), jettison.ErrInvalidArgument, "has ended")
			must(t, in.Close())
		})
	}
}

// twice runs the function of each Update twice, as an engine does that loses a
// race.
type twice struct{ kv.DB }

func (db twice) Update(ctx context.Context, fn func(kv.Tx) error) error {
	lost := errors.New("lost a race")
	err := db.DB.Update(ctx, func(tx kv.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return lost
	})
	if !errors.Is(err, lost) {
		return err
	}
	return db.DB.Update(ctx, fn)
}

func TestFunctionsMayRunTwice(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.Wrap(t.Context(), func(db kv.DB) kv.DB { return twice{db} }))
	for i := range diskstore.ClearLimit + 3 { // so that marks are cleared too
		name := "app:" + string(rune('a'+i%3))
		_, err := load(t.Context(), s, name, "layer", "layer of "+name)
		must(t, err)
		if i == 0 {
			_, err := load(t.Context(), s, "stays", "layer", "layer of stays")
			must(t, err)
		}
		sound(t, s)
		must(t, remove(t.Context(), s, name))
		sound(t, s)
	}
}

// The content that an ingest has asked for stays though its last image goes.
func TestPinnedContentStays(t *testing.T) {
	for name, pin := range map[string]func(*diskstore.Ingest) error{
		"asked for": func(in *diskstore.Ingest) error {
			has, err := in.Has(t.Context(), describe("layer"))
			if !has {
				t.Error("got no content, want the layer")
			}
			return err
		},
		"written again": func(in *diskstore.Ingest) error {
			_, err := in.Write(t.Context(), unread{t}, describe("layer"))
			return err
		},
	} {
		for _, commits := range []string{"commit", "close"} {
			t.Run(name+" and "+commits, func(t *testing.T) {
				s := open(t, t.TempDir())
				_, err := load(t.Context(), s, "old", "layer")
				must(t, err)
				in := ingest(t, s)
				must(t, pin(in))
				must(t, remove(t.Context(), s, "old"))
				if got := onDisk(t, s.Dir()); len(got) != 1 {
					t.Fatalf("got files %v, want the layer alone", got)
				}
				if commits == "commit" {
					must(t, in.Commit(t.Context(), func(tx *kvstore.Tx) error {
						_, err := tx.Images.Create(t.Context(), imagestore.Spec{
							Config: []byte(config("new", []string{"layer"})),
							Layers: []ocispec.Descriptor{describe("layer")},
						})
						return err
					}))
				}
				must(t, in.Close())
				sound(t, s)
				want := map[string]int{"commit": 1, "close": 0}[commits]
				if got := len(onDisk(t, s.Dir())); got != want {
					t.Errorf("got %d files, want %d", got, want)
				}
			})
		}
	}
}

func TestTwoIngestsOfTheSameContent(t *testing.T) {
	for name, order := range map[string]func(first, second *diskstore.Ingest){
		"first fails, second commits": func(first, second *diskstore.Ingest) {
			must(t, first.Commit(t.Context(), nothing))
			must(t, second.Commit(t.Context(), create(t, "new", "layer")))
		},
		"first commits, second fails": func(first, second *diskstore.Ingest) {
			must(t, first.Commit(t.Context(), create(t, "new", "layer")))
			must(t, second.Commit(t.Context(), nothing))
		},
		"both commit": func(first, second *diskstore.Ingest) {
			must(t, first.Commit(t.Context(), create(t, "new", "layer")))
			must(t, second.Commit(t.Context(), create(t, "other", "layer")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			first, second := ingest(t, s), ingest(t, s)
			for _, in := range []*diskstore.Ingest{first, second} {
				_, err := in.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
				must(t, err)
			}
			order(first, second)
			sound(t, s)
			if got := len(onDisk(t, s.Dir())); got != 1 {
				t.Errorf("got %d files, want 1", got)
			}
		})
	}
}

// create makes an image without content of its own.
func create(t testing.TB, name string, layers ...string) func(*kvstore.Tx) error {
	return func(tx *kvstore.Tx) error {
		spec := imagestore.Spec{Config: []byte(config(name, layers))}
		for _, layer := range layers {
			spec.Layers = append(spec.Layers, describe(layer))
		}
		_, err := tx.Images.Create(t.Context(), spec)
		return err
	}
}
