package transfer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
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
	if err == nil {
		err = wantRegular(info)
	}
	if err != nil {
		return nil, 0, d.explain(name, err)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// explain says that it is a link which leads nowhere.
func (d *directory) explain(name string, err error) error {
	info, errLink := d.root.Lstat(name)
	if errLink != nil || info.Mode().Type() != fs.ModeSymlink {
		return err
	}
	target, errLink := d.root.Readlink(name)
	if errLink != nil {
		return err
	}
	return fmt.Errorf("link to %q: %w", target, err)
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
