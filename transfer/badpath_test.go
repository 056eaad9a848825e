package transfer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		{"absolute link", ociBlob, link(outside), "escapes"},
		{"link upwards", ociBlob, link("../../../outside"), "escapes"},
		{"dangling link", ociBlob, link("nowhere"), `link to "nowhere"`},
		{"link in a circle", ociBlob, link("42d6ac5d1c938f9892f5e97c9d8c3407e0792da2fc680aa0b46b5dcfbdecf683"), "link to"},
		{"link to a directory", ociBlob, link("."), "is a directory"},
		{"index outside", "index.json", link(outside), "escapes"},
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
