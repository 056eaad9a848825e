package transfer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// openSource opens the archive or directory at path.
func openSource(ctx context.Context, in *diskstore.Ingest, path string, opts LoadOptions) (source, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, class.Errorf(class.NotFound, "no such archive: %w", err)
	}
	if err != nil {
		return nil, located(path, "", err)
	}
	unknown := stream{path: path, size: -1, keep: opts}
	switch mode := info.Mode(); {
	case mode.IsDir():
		src, err := openDirectory(path)
		if err != nil {
			return nil, located(path, "", err)
		}
		return src, nil
	case mode&fs.ModeNamedPipe != 0:
		file, err := openPipe(ctx, path)
		if err != nil {
			return nil, located(path, "", err)
		}
		defer func() { _ = file.Close() }()
		return openStream(ctx, in, newPatient(ctx, file), unknown)
	}
	if err := wantRegular(info); err != nil {
		return nil, located(path, "", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, located(path, "", err)
	}
	return openFile(ctx, in, file, stream{path: path, size: info.Size(), keep: opts})
}

// openFile opens an archive that is a file. It takes care of closing file.
func openFile(ctx context.Context, in *diskstore.Ingest, file *os.File, s stream) (source, error) {
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
	return openStream(ctx, in, file, s)
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
