package diskstore_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jettison-oci/jettison"
)

func TestLoadingAgainPutsBackWhatIsMissing(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"missing": os.Remove,
		"short":   func(path string) error { return os.Truncate(path, 2) },
		"altered": func(path string) error { return os.WriteFile(path, []byte("Layer"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			_, err := load(t.Context(), s, "app", "layer")
			must(t, err)
			must(t, harm(filepath.Join(s.Dir(), "blobs", "sha256", describe("layer").Digest.Encoded())))
			has, err := ingest(t, s).Has(t.Context(), describe("layer"))
			if err != nil || has {
				t.Errorf("has: got %t (error %v), want false", has, err)
			}
			err = ingest(t, s).Need(t.Context(), describe("layer"))
			wants(t, err, jettison.ErrInternal, "load an image that has it again")
			_, err = load(t.Context(), s, "app", "layer")
			must(t, err)
			sound(t, s)
		})
	}
}

// What an ingest has verified it does not read again.
func TestContentIsVerifiedOnce(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	in := ingest(t, s)
	must(t, in.Need(t.Context(), describe("layer")))
	must(t, os.WriteFile(filepath.Join(s.Dir(), "blobs", "sha256", describe("layer").Digest.Encoded()), []byte("Layer"), 0o600))
	must(t, in.Need(t.Context(), describe("layer")))
	if err := ingest(t, s).Need(t.Context(), describe("layer")); err == nil {
		t.Error("another ingest found no damage")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wants(t, ingest(t, s).Need(ctx, describe("layer")), jettison.ErrUnavailable, "canceled")
}
