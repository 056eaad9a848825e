package transfer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// Things that are no archive and no layout at all.
func TestLoadBadPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, want string
		class      error
	}{
		{filepath.Join(dir, "none.tar"), "none.tar", jettison.ErrNotFound},
		{filepath.Join(dir, "link"), "link", jettison.ErrNotFound},
		{dir, "has no file oci-layout", jettison.ErrInvalidArgument},
		{os.DevNull, "is a device", jettison.ErrInvalidArgument},
		{writeFile(t, nil) + "/below", "not a directory", jettison.ErrInvalidArgument},
	}
	store := newStore(t)
	for _, tt := range tests {
		_, err := transfer.Load(t.Context(), store, tt.path, transfer.LoadOptions{})
		if !errors.Is(err, tt.class) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("Load(%s) = %v, want class %v and %q in it", tt.path, err, tt.class, tt.want)
		}
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// A directory is held to what an archive is.
func TestLoadBadDirectory(t *testing.T) {
	outside := writeFile(t, []byte("secret"))
	link := func(target string) func(file) *file {
		return func(f file) *file { return &file{name: f.name, kind: tar.TypeSymlink, link: target} }
	}
	tests := []struct {
		name, part string
		edit       func(file) *file
		want       string
	}{
		{"missing blob", ociBlob, gone, "named by blobs/sha256/"},
		{"altered blob", ociBlob, flipped, "content has digest"},
		{"absolute link", ociBlob, link(outside), "leaves the directory of the archive"},
		{"link upwards", ociBlob, link("../../../outside"), `link to "../../../outside" leaves the directory of the archive`},
		{"dangling link", ociBlob, link("nowhere"), `link to "nowhere"`},
		{"link in a circle", ociBlob, link("42d6ac5d1c938f9892f5e97c9d8c3407e0792da2fc680aa0b46b5dcfbdecf683"), "link to"},
		{"link to a directory", ociBlob, link("."), "is a directory"},
		{"index outside", "index.json", link(outside), "leaves the directory of the archive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			files := unpack(t, real(t, "oci-layout-skopeo.tar"))
			path := writeDir(t, change(t, files, tt.part, tt.edit))
			_, err := transfer.Load(t.Context(), store, path, transfer.LoadOptions{})
			checkRefusal(t, err, path, badInput{want: tt.want})
			if rest := dump(t, store); len(rest) > 0 {
				t.Errorf("left behind: %q", rest)
			}
		})
	}
}

// A link on the way to a blob is no way out either.
func TestLoadBlobsOutside(t *testing.T) {
	path := writeDir(t, unpack(t, real(t, "oci-layout-skopeo.tar")))
	outside := filepath.Join(t.TempDir(), "blobs")
	if err := os.Rename(filepath.Join(path, "blobs"), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(path, "blobs")); err != nil {
		t.Fatal(err)
	}
	_, err := transfer.Load(t.Context(), newStore(t), path, transfer.LoadOptions{})
	checkRefusal(t, err, path, badInput{want: "leads through a link that leaves the directory of the archive"})
}

// What an archive has in it does not reach the terminal as a command.
func TestErrorsArePrintable(t *testing.T) {
	const evil = "\x1b]0;evil\a\x1b[2J\n\u202e\xff%s"
	const want = `\x1b]0;evil\a\x1b[2J\n\u202e\xff%s`
	whole := unpack(t, real(t, "docker-archive.tar"))
	named := change(t, whole, "manifest.json", body(`[{"Config":"\u001b]0;evil\u0007"}]`))
	for name, tt := range map[string]struct {
		files []file
		want  string
	}{
		"path":  {append(whole, file{name: "../" + evil}), "leaves the directory"},
		"entry": {named, `: \x1b]0;evil\a: named by manifest.json: `},
		"link":  {change(t, whole, baseLayer+"/layer.tar", func(f file) *file { return &file{f.name, nil, tar.TypeSymlink, evil} }), `x1b]0;evil`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, pack(t, tt.files...))
			_, err := transfer.Load(t.Context(), newStore(t), path, transfer.LoadOptions{})
			checkRefusal(t, err, path, badInput{want: tt.want})
			checkPrintable(t, err.Error())
		})
	}
	err := &transfer.ArchiveError{Path: evil, Entry: evil, Err: errors.New("é \"" + evil)}
	if got, want := err.Error(), "archive "+want+": "+want+`: é "`+want; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nor does what is said of things that were skipped.
func TestSkippedIsPrintable(t *testing.T) {
	l := newLayout(t)
	desc := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
	l.list(desc, "UPPER:\x1b[2J")
	l.list(ocispec.Descriptor{MediaType: "\x1b[2J", Digest: desc.Digest}, "")
	report := loadData(t, newStore(t), pack(t, l.files()...))
	if len(report.Skipped) != 2 {
		t.Errorf("skipped %q, want two", describeSkipped(report))
	}
	for _, line := range describeSkipped(report) {
		checkPrintable(t, line)
	}
}

func checkPrintable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if !strconv.IsPrint(r) {
			t.Errorf("%q has %q in it", text, r)
		}
	}
}

// The digests are in the error for whoever wants them.
func TestLoadDigestError(t *testing.T) {
	data := edited(t, "oci-layout-skopeo.tar", ociBlob, flipped)
	_, err := transfer.Load(t.Context(), newStore(t), writeFile(t, data), transfer.LoadOptions{})
	var wrong *diskstore.DigestError
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Want.String(), ociBlob) {
		t.Errorf("err = %v, want a DigestError for %s", err, ociBlob)
	}
}

// An error of the reader is the reader's, not the archive's.
func TestLoadReaderFails(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(real(t, "docker-archive.tar")[:9000]), failing{})
	_, err := transfer.LoadReader(t.Context(), newStore(t), broken, transfer.LoadOptions{})
	var archive *transfer.ArchiveError
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, jettison.ErrUnavailable) || errors.As(err, &archive) {
		t.Errorf("err = %v, want that of the reader, of class Unavailable", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: "pipe", Err: os.ErrPermission}
}
