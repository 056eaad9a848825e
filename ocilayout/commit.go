package ocilayout

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
)

// tempPrefix begins the names of files that are not whole yet.
const tempPrefix = ".jettison-"

// commit replaces index.json, after the blobs that the new one needs and before
// those that it needs no more. It reports false when index.json is not what the
// transaction began with.
func (l *Layout) commit(ctx context.Context, tx *transaction) (bool, error) {
	if err := l.writeBlobs(tx.fresh); err != nil {
		return false, err
	}
	written := tx.encode()
	temp, err := l.writeIndex(written)
	if err != nil {
		return false, err
	}
	same, err := l.sameIndex(tx.data)
	if err == nil && same {
		err = unavailable(l.fs.Rename(temp, l.indexPath()))
	}
	if err != nil || !same {
		_ = l.fs.Remove(temp) // check finds it
		return false, systemError(err)
	}
	if err := unavailable(l.fs.SyncDir(l.dir)); err != nil {
		return false, err
	}
	l.removeBlobs(context.WithoutCancel(ctx), tx, written)
	return true, nil
}

// writeIndex writes what is to become index.json, durably, with the rights of
// the one that is there.
func (l *Layout) writeIndex(data []byte) (string, error) {
	return l.writeTemp(l.dir, data, func(temp vfs.File) error {
		info, err := os.Stat(l.indexPath())
		if err != nil {
			return err
		}
		if err := keepOwner(temp.Raw(), info); err != nil {
			return err
		}
		return temp.Raw().Chmod(info.Mode().Perm())
	})
}

// writeBlobs writes blobs, durably.
func (l *Layout) writeBlobs(blobs map[digest.Digest]fresh) error {
	dirs := make(map[string]bool)
	for _, blob := range slices.Sorted(maps.Keys(blobs)) {
		path, err := l.path(blob)
		if err != nil {
			return class.Wrap(class.Internal, err)
		}
		temp, err := l.writeTemp(filepath.Dir(path), blobs[blob].data, func(temp vfs.File) error {
			return temp.Raw().Chmod(0o644)
		})
		if err != nil {
			return err
		}
		if err := l.fs.Rename(temp, path); err != nil {
			_ = l.fs.Remove(temp) // check finds it
			return unavailable(err)
		}
		dirs[filepath.Dir(path)] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := l.fs.SyncDir(dir); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// writeTemp writes a file under a name of its own, durably, and returns the
// name.
func (l *Layout) writeTemp(dir string, data []byte, prepare func(vfs.File) error) (string, error) {
	temp, err := l.fs.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return "", unavailable(err)
	}
	err = prepare(temp)
	if err == nil {
		_, err = temp.Write(data)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closing := temp.Close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = l.fs.Remove(temp.Name()) // check finds it
		return "", unavailable(err)
	}
	return temp.Name(), nil
}

// removeBlobs removes what the transaction made nothing need. What another
// program has listed since stays, with all that it needs.
func (l *Layout) removeBlobs(ctx context.Context, tx *transaction, written []byte) {
	if len(tx.gone) == 0 {
		return
	}
	gone, err := tx.unwanted(ctx)
	if err == nil {
		gone, err = l.stillUnwanted(ctx, gone, written)
	}
	if err != nil {
		l.log.WarnContext(ctx, "blobs that nothing needs are left", "error", err)
		return
	}
	for _, blob := range gone {
		path, err := l.path(blob)
		if err != nil {
			continue // what has no path has no file
		}
		if err := l.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.WarnContext(ctx, "cannot remove a blob that nothing needs", "digest", blob, "error", err)
		}
	}
	l.cache.keep(tx.wants)
}

// stillUnwanted returns those blobs that index.json does not need as it is now.
func (l *Layout) stillUnwanted(ctx context.Context, gone []digest.Digest, written []byte) ([]digest.Digest, error) {
	now, err := l.begin(ctx)
	if err != nil || len(gone) == 0 || bytes.Equal(now.data, written) {
		return gone, err
	}
	if err := now.count(ctx); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, now.wants), nil
}

// unavailable gives an error of the file system its class.
func unavailable(err error) error { return class.Wrap(class.Unavailable, err) }
