package readers_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/readers"
)

// What was altered is found at its end, and errors are those that the store makes
// of them.
func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("made of it")
	read := func(of string, closed bool) (string, error, error) {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if closed {
			_ = file.Close()
		}
		r := readers.Verify(file, digest.FromString(of), func(err error) error { return errors.Join(failure, err) })
		data, err := io.ReadAll(r)
		return string(data), err, r.Close()
	}
	if data, err, closing := read("content", false); data != "content" || err != nil || closing != nil {
		t.Errorf("got %q, %v, %v, want the content", data, err, closing)
	}
	if data, err, closing := read("other", false); data != "content" || !errors.Is(err, readers.ErrAltered) || !errors.Is(err, failure) || closing != nil {
		t.Errorf("altered: got %q, %v, %v, want %v", data, err, closing, readers.ErrAltered)
	}
	if _, err, closing := read("content", true); !errors.Is(err, os.ErrClosed) || !errors.Is(err, failure) || !errors.Is(closing, failure) {
		t.Errorf("a file that fails: got %v and %v, want %v of both", err, closing, failure)
	}
}

func TestUntil(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := readers.Until(ctx, strings.NewReader("content"))
	if n, err := r.Read(make([]byte, 3)); n != 3 || err != nil {
		t.Errorf("got %d, %v, want 3 bytes", n, err)
	}
	cancel()
	if n, err := r.Read(make([]byte, 3)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d, %v, want %v", n, err, context.Canceled)
	}
}
