package transfer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// openSource opens the archive or directory at path.
func openSource(ctx context.Context, dst *diskstore.Store, path string, opts LoadOptions) (source, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, class.Errorf(class.NotFound, "no such archive: %w", err)
	}
	if err != nil {
		return nil, located(path, "", err)
	}
	if info.IsDir() {
		src, err := openDirectory(path)
		if err != nil {
			return nil, located(path, "", err)
		}
		return src, nil
	}
	pipe := info.Mode()&fs.ModeNamedPipe != 0
	if err := wantRegular(info); err != nil && !pipe {
		return nil, located(path, "", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, located(path, "", err)
	}
	if pipe {
		defer func() { _ = file.Close() }()
		return openStream(ctx, dst, file, stream{path: path, size: -1, keep: opts})
	}
	return openFile(ctx, dst, file, stream{path: path, size: info.Size(), keep: opts})
}

// stream is what is known about an archive that is read from start to end.
type stream struct {
	path string // names it in errors
	size int64  // bytes, or -1 when nobody knows
	keep LoadOptions
}

// openFile opens an archive that is a file. It takes care of closing file.
func openFile(ctx context.Context, dst *diskstore.Store, file *os.File, s stream) (source, error) {
	kind, err := sniff(bufio.NewReader(file))
	if err == nil && kind == plain {
		return openTar(ctx, file, s.path, file.Close)
	}
	defer func() { _ = file.Close() }()
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, located(s.path, "", err)
	}
	return openStream(ctx, dst, file, s)
}

// openStream unpacks an archive to a temporary file and opens that.
func openStream(ctx context.Context, dst *diskstore.Store, r io.Reader, s stream) (source, error) {
	file, err := os.CreateTemp(filepath.Join(dst.Dir(), "ingest"), "archive-*")
	if err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	free := func() error { return errors.Join(file.Close(), os.Remove(file.Name())) }
	if err := spool(ctx, file, r, s); err != nil {
		_ = free()
		return nil, err
	}
	return openTar(ctx, file, s.path, free)
}

// spool writes what r holds, unpacked, to file.
func spool(ctx context.Context, file *os.File, r io.Reader, s stream) error {
	counted := newMeter(ctx, r, s.keep.progress("archive", s.size))
	buffered := bufio.NewReaderSize(counted, bufferSize)
	err := unpackTo(file, buffered)
	if err != nil && counted.err != nil { // the reader's error, not the archive's
		err = class.Wrap(class.Unavailable, counted.err)
	}
	return located(s.path, "", err)
}

// unpackTo writes what r holds, however compressed, to w.
func unpackTo(w io.Writer, r *bufio.Reader) error {
	kind, err := sniff(r)
	if err != nil {
		return err
	}
	unpacked, err := unpack(r, kind)
	if err != nil {
		return err
	}
	defer func() { _ = unpacked.Close() }()
	_, err = io.Copy(w, unpacked)
	return err
}

// openTar opens the tar archive in file. It calls free when it fails.
func openTar(ctx context.Context, file *os.File, path string, free func() error) (source, error) {
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = errors.New("is empty")
	}
	var entries map[string]entry
	if err == nil {
		entries, err = indexTar(ctx, file)
	}
	if err != nil {
		_ = free()
		return nil, located(path, "", err)
	}
	return &archive{file: file, free: free, entries: entries}, nil
}
