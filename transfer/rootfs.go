package transfer

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// copyRootFS writes what r unpacks to, the tar archive of a root file system, to
// in, and looks at every entry of it on the way. Size is how long r is, or -1.
func (l *loader) copyRootFS(ctx context.Context, in *diskstore.Ingest, r io.Reader, size int64) (ocispec.Descriptor, error) {
	want := ocispec.Descriptor{MediaType: string(types.DockerUncompressedLayer)}
	counted := newMeter(ctx, r, l.opts.progress("archive", size))
	buffered := bufio.NewReaderSize(counted, bufferSize)
	kind, err := sniff(buffered)
	if err != nil {
		return want, counted.unavailable(err)
	}
	unpacked, err := unpack(buffered, kind)
	if err != nil {
		return want, counted.unavailable(err)
	}
	defer func() { _ = unpacked.Close() }()
	limited := &limitedReader{r: newMeter(ctx, unpacked, func(int64) {}), limit: func() int64 { return l.opts.maxSize(kind, counted.done) }}
	desc, err := copyTree(ctx, in, limited, want)
	return desc, counted.unavailable(err)
}

// unavailable is err, or the error of reading that is at its root, which is not
// the fault of what is read.
func (m *meter) unavailable(err error) error {
	if err != nil && m.err != nil {
		return class.Wrap(class.Unavailable, m.err)
	}
	return err
}

// copyTree copies a tar archive to in, and at the same time looks at it. What is
// wrong with it ends the copy at once.
func copyTree(ctx context.Context, in *diskstore.Ingest, r *limitedReader, want ocispec.Descriptor) (ocispec.Descriptor, error) {
	pr, pw := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := checkTree(pr)
		if err == nil {
			_, err = io.Copy(io.Discard, pr) // the padding after its end
		}
		_ = pr.CloseWithError(err)
		result <- err
	}()
	desc, err := in.Write(ctx, io.TeeReader(r, pw), want)
	_ = pw.CloseWithError(err)
	wrong := <-result
	switch {
	case r.err != nil: // it explains the others
		return desc, r.err
	case wrong != nil:
		return desc, wrong
	case err == nil && desc.Size == 0:
		return desc, errors.New("is empty")
	}
	return desc, err
}

// checkTree makes sure that r is a tar archive, and that nothing in it leads out
// of the directory in which it will be unpacked.
func checkTree(r io.Reader) error {
	last := ""
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return tarError(last, err)
		}
		if escapes(header.Name) {
			return fmt.Errorf("entry %q leads out of the root file system", header.Name)
		}
		if header.Typeflag == tar.TypeLink && escapes(header.Linkname) {
			return fmt.Errorf("entry %q is a link to %q, which leads out of the root file system", header.Name, header.Linkname)
		}
		last = header.Name
	}
}

// escapes reports whether a path leads out of the directory it is relative to.
// One that is absolute counts from there too.
func escapes(name string) bool {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	return clean == ".." || strings.HasPrefix(clean, "../")
}

// A limitedReader passes no more on than a limit, which may grow, and keeps the
// error that ended the reading.
type limitedReader struct {
	r     io.Reader
	limit func() int64
	done  int64
	err   error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.done += int64(n)
	if limit := l.limit(); l.done > limit {
		n, err = 0, &TooLargeError{Limit: limit}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
