package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

const (
	// maxLinks is how many links one name may lead through.
	maxLinks = 40
	// maxIndex is how many bytes the index of an archive may take, so that
	// millions of tiny entries do not fill the memory.
	maxIndex = 64 << 20
	// entryCost is about what an entry takes besides its names.
	entryCost = 128
)

// archive is a source in one tar file, read once from start to end to learn
// where each entry lies, then by position.
type archive struct {
	file    *os.File
	free    func() error
	entries map[string]entry
}

// An entry is what an archive has under one name. Of several the last counts,
// as it does when the archive is unpacked.
type entry struct {
	kind   byte   // a type flag of package tar
	offset int64  // where the content of a regular file begins
	size   int64  // bytes
	link   string // where a link leads
}

// indexTar reads the headers of the tar file from its start.
func indexTar(ctx context.Context, file *os.File) (map[string]entry, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	entries, reader := make(map[string]entry), tar.NewReader(file)
	last, cost := "", 0
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, tarError(last, err)
		}
		name, e, err := newEntry(header, file)
		if err != nil {
			return nil, err
		}
		if cost += entryCost + len(name) + len(e.link); cost > maxIndex {
			return nil, fmt.Errorf("has too many entries, more than %d", len(entries))
		}
		entries[name], last = e, name
	}
}

// newEntry makes the entry for a header that was just read from file.
func newEntry(header *tar.Header, file *os.File) (string, entry, error) {
	name, err := localName(header.Name)
	if err != nil {
		return "", entry{}, err
	}
	offset, err := file.Seek(0, io.SeekCurrent)
	e := entry{kind: header.Typeflag, offset: offset, size: header.Size, link: header.Linkname}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			e.kind = tar.TypeGNUSparse
		}
	}
	return name, e, err
}

// tarError explains why the entry after last could not be read.
func tarError(last string, err error) error {
	var seek *fs.PathError
	if errors.As(err, &seek) && seek.Op == "seek" { // over an entry larger than any file
		err = io.ErrUnexpectedEOF
	}
	damaged, short := errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case last == "" && (damaged || short): // whatever it is, it does not begin as one
		return errors.New("is no tar archive, plain or compressed once with gzip or zstd")
	case damaged:
		return fmt.Errorf("damaged after entry %s: %w", last, err)
	case short:
		return fmt.Errorf("after entry %s: %w", last, err)
	default:
		return err
	}
}

func (a *archive) close() error { return a.free() }

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	name, err := localName(name)
	if err != nil {
		return nil, 0, err
	}
	e, err := a.resolve(name)
	if err != nil {
		return nil, 0, err
	}
	switch e.kind {
	case tar.TypeReg:
		return io.NopCloser(io.NewSectionReader(a.file, e.offset, e.size)), e.size, nil
	case tar.TypeDir:
		return nil, 0, errKind("directory")
	case tar.TypeGNUSparse:
		return nil, 0, errKind("sparse entry")
	case tar.TypeFifo:
		return nil, 0, errKind("named pipe")
	case tar.TypeChar, tar.TypeBlock:
		return nil, 0, errKind("device")
	default:
		return nil, 0, errKind("special file")
	}
}

// resolve finds the entry that name leads to through links.
func (a *archive) resolve(name string) (entry, error) {
	at := name
	for range maxLinks {
		link, rest := a.firstLink(at)
		if link == "" {
			e, ok := a.entries[at]
			return e, found(ok, name, at)
		}
		next, err := a.follow(link)
		if err != nil {
			return entry{}, err
		}
		at = path.Join(next, rest)
	}
	return entry{}, fmt.Errorf("leads through more than %d links", maxLinks)
}

// found is an error when there is no entry at, to which name led.
func found(ok bool, name, at string) error {
	switch {
	case ok:
		return nil
	case name == at:
		return fs.ErrNotExist
	default:
		return fmt.Errorf("link to %q: %w", at, fs.ErrNotExist)
	}
}

// firstLink splits name after its first part that is a link.
func (a *archive) firstLink(name string) (link, rest string) {
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		kind := a.entries[name[:i]].kind
		if kind == tar.TypeSymlink || kind == tar.TypeLink {
			return name[:i], strings.TrimPrefix(name[i:], "/")
		}
	}
	return "", ""
}

// follow is where a link leads. A symbolic link counts from its directory, a
// hard link from the top of the archive.
func (a *archive) follow(name string) (string, error) {
	e := a.entries[name]
	target := e.link
	if e.kind == tar.TypeSymlink && !path.IsAbs(target) {
		target = path.Join(path.Dir(name), target)
	}
	target, err := localName(target)
	if err != nil {
		return "", leaves(e.link)
	}
	return target, nil
}
