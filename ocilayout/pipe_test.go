//go:build unix

package ocilayout_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
)

// A pipe in the place of a file is an error, and nobody waits for what it would
// bring.
func TestPipes(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("")}
		return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "app:1.0"), desc}
	})
	pipe(t, blobPath(dir, digest.FromString("")))
	l := open(t, dir)
	if images, damage := list(t, l); len(images) != 2 || len(damage) != 1 {
		t.Errorf("got %q, %v, want two images, one of them damaged", images, damage)
	}
	findings, err := l.Check(t.Context(), ocilayout.CheckOptions{Content: true})
	if err != nil || len(findings) != 1 {
		t.Errorf("got %v, %v, want one finding", findings, err)
	}
	remove(t, dir, "index.json")
	pipe(t, filepath.Join(dir, "index.json"))
	_, err = jettison.New(l, nil).ImagesPrune(t.Context(), jettison.PruneOptions{})
	if !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("got %v, want an error of class Unavailable", err)
	}
}

func pipe(t *testing.T, path string) {
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}
