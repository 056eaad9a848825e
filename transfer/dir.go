package transfer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// directory is a source that lies unpacked. Nothing outside it is ever opened:
// os.Root refuses paths and links that lead out.
type directory struct{ root *os.Root }

func openDirectory(path string) (*directory, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &directory{root}, nil
}

func (d *directory) close() error { return d.root.Close() }

func (d *directory) open(name string) (io.ReadCloser, int64, error) {
	name, err := localName(name)
	if err != nil {
		return nil, 0, err
	}
	// Asked before opening, because opening a pipe waits for its writer.
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, 0, d.explain(name, err)
	}
	if err := wantRegular(info); err != nil {
		return nil, 0, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, d.explain(name, err)
	}
	return f, info.Size(), nil
}

// explain says what is wrong with a file without naming it again, and where it
// leads if it is a link.
func (d *directory) explain(name string, err error) error {
	var (
		pathError *fs.PathError
		errno     syscall.Errno
	)
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	system := errors.As(err, &errno) // else os.Root itself refuses
	target, errLink := d.root.Readlink(name)
	switch {
	case !system && errLink == nil:
		return leaves(target)
	case !system:
		return errors.New("leads through a link that leaves the directory of the archive")
	case errLink == nil:
		return fmt.Errorf("link to %q: %w", target, err)
	}
	return err
}

// leaves says that a link leads out of the archive.
func leaves(target string) error {
	return fmt.Errorf("link to %q leaves the directory of the archive", target)
}

// wantRegular is an error that names the kind of what is no regular file.
func wantRegular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errKind("directory")
	case mode&fs.ModeNamedPipe != 0:
		return errKind("named pipe")
	case mode&fs.ModeDevice != 0:
		return errKind("device")
	default:
		return errKind("special file")
	}
}

// errKind says that something is of a kind that holds no content to load.
func errKind(kind string) error { return fmt.Errorf("is a %s, not a regular file", kind) }
