package boltkv

import (
	"context"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// A follower reads a file that others may write to meanwhile. It takes no lock
// on it, so that nobody has to wait: it reads a copy, and makes another one when
// there was a commit.
//
// A copy is whole when the last commit before and after copying is the same one.
// The next commit, which may be under way, writes only to pages that are free,
// and its number comes last; only the one after that may write to the pages that
// were copied. Where there is a way to ask (see pins), the process that writes
// leaves them alone even longer, and then the copy is whole in any case.
type follower struct {
	db       *DB // names the file in errors
	patience time.Duration
	// turn is held by whoever looks for a new state; it guards live.
	turn chan struct{}
	live *os.File

	mu     sync.Mutex
	latest *snapshot
}

// A snapshot is a copy of a file that bbolt has open.
type snapshot struct {
	state
	bolt *bolt.DB
	temp *os.File
	of   fs.FileInfo // the file that was copied
	uses int         // guarded by the follower
}

func newFollower(db *DB, patience time.Duration) *follower {
	return &follower{db: db, patience: patience, turn: make(chan struct{}, 1)}
}

// acquire returns a snapshot of the last commit; release must follow.
func (f *follower) acquire(ctx context.Context) (*snapshot, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
	}
	if err := txn.Ended(ctx); err != nil {
		return nil, err
	}
	of, err := f.open()
	if err != nil {
		return nil, f.db.openError(err)
	}
	if snap := f.current(of); snap != nil {
		return snap, nil
	}
	snap, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	snap.of = of
	return f.replace(snap), nil
}

// open makes sure that the file which is open is the one that has the name.
func (f *follower) open() (fs.FileInfo, error) {
	named, err := os.Stat(f.db.path)
	if err != nil {
		return nil, err
	}
	if f.live != nil {
		if opened, err := f.live.Stat(); err == nil && os.SameFile(named, opened) {
			return opened, nil
		}
		_ = f.live.Close() // nothing was written
		f.live = nil
	}
	file, err := os.Open(f.db.path)
	if err != nil {
		return nil, err
	}
	f.live = file
	return file.Stat()
}

// current returns the latest snapshot, to be released, if there was no commit
// since.
func (f *follower) current(of fs.FileInfo) *snapshot {
	now, ok, err := readState(f.live)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || !ok || f.latest == nil || now != f.latest.state || !os.SameFile(of, f.latest.of) {
		return nil
	}
	f.latest.uses++
	return f.latest
}

// replace makes a snapshot the latest, and returns it to be released.
func (f *follower) replace(snap *snapshot) *snapshot {
	f.mu.Lock()
	old := f.latest
	f.latest, snap.uses = snap, 2 // as the latest, and by the caller
	f.mu.Unlock()
	if old != nil {
		f.release(old)
	}
	return snap
}

// release closes the snapshot when nobody uses it any more.
func (f *follower) release(snap *snapshot) {
	f.mu.Lock()
	snap.uses--
	last := snap.uses == 0
	f.mu.Unlock()
	if !last {
		return
	}
	if f.db.broken.Load() != nil { // bbolt may hold its locks
		release(snap.temp)
	} else {
		_ = snap.bolt.Close() // nothing was written
	}
	_ = os.Remove(snap.temp.Name()) // where an open file cannot be removed
}

// close frees what the follower holds, when no snapshot is in use.
func (f *follower) close() {
	if f.live != nil {
		_ = f.live.Close() // nothing was written
		f.live = nil
	}
	if snap := f.latest; snap != nil {
		f.latest = nil
		f.release(snap)
	}
}

// take copies the file to a temporary one without a name, again and again until
// no commit comes in between.
func (f *follower) take(ctx context.Context) (*snapshot, error) {
	temp, err := os.CreateTemp("", "jettison-read-*")
	if err != nil {
		return nil, f.failed(err)
	}
	_ = os.Remove(temp.Name()) // where an open file can be removed
	snap := &snapshot{temp: temp}
	for giveUp := time.Now().Add(f.patience); ; {
		var whole bool
		if whole, err = f.copy(ctx, snap); whole || err != nil {
			break
		}
		if time.Now().After(giveUp) {
			err = &BusyError{Path: f.db.path}
			break
		}
	}
	if err == nil {
		err = f.openCopy(snap)
	}
	if err != nil {
		_ = temp.Close() // nothing is needed of it
		_ = os.Remove(temp.Name())
		return nil, err
	}
	return snap, nil
}

// copyChunk is how much is copied before the context is asked again.
const copyChunk = 8 << 20

// copy copies the part of the file that is in use, and reports whether the copy
// is whole.
func (f *follower) copy(ctx context.Context, snap *snapshot) (whole bool, err error) {
	before, ok, asked, err := f.lastState()
	defer unpin(f.live)
	if err != nil {
		return false, f.failed(err)
	}
	if !ok { // bbolt will say what is wrong with it
		return true, f.copyAll(ctx, snap)
	}
	if err := copyFile(ctx, snap.temp, f.live, before.size()); err != nil {
		return false, f.failed(err)
	}
	after, _, err := readState(f.live)
	if err != nil || after != before && !f.isKept(asked) {
		return false, f.failed(err)
	}
	snap.state = before
	return true, f.failed(before.write(snap.temp))
}

// copyAll copies a file that has no state.
func (f *follower) copyAll(ctx context.Context, snap *snapshot) error {
	info, err := f.live.Stat()
	if err == nil && info.Size() == 0 {
		return f.db.damaged(errors.New("the file is empty"))
	}
	if err == nil {
		err = copyFile(ctx, snap.temp, f.live, info.Size())
	}
	return f.failed(err)
}

// A request asks the process that writes to keep the pages of a commit.
type request struct {
	to string // its note
	at time.Time
}

// lastState returns the last state of the file and, if there is someone to ask,
// the request to keep it, which unpin ends. It comes in time if the state is
// still the last one when it is there.
func (f *follower) lastState() (last state, ok bool, asked request, err error) {
	asked.at = time.Now()
	asked.to, _ = f.db.readNote()
	for range 10 {
		if last, ok, err = readState(f.live); err != nil || !ok || asked.to == "" {
			break
		}
		if pin(f.live, last.txid) != nil {
			break
		}
		if now, _, err := readState(f.live); err == nil && now == last {
			return last, true, asked, nil
		}
		unpin(f.live)
	}
	return last, ok, request{}, err
}

// isKept reports whether the request has been honoured up to now: the process is
// the same and alive, and not so much time has passed that it has given up.
func (f *follower) isKept(asked request) bool {
	if asked.to == "" || time.Since(asked.at) >= copyLimit {
		return false
	}
	now, _ := f.db.readNote()
	return now == asked.to
}

// copyFile makes one file what the first bytes of another one are. A shorter
// file is copied as it is.
func copyFile(ctx context.Context, to, from *os.File, size int64) error {
	if err := to.Truncate(0); err != nil {
		return err
	}
	for _, file := range []*os.File{to, from} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, min(size, copyChunk)) // between files the system does it
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// openCopy opens a copy, and closes it if it is not what it should be.
func (f *follower) openCopy(snap *snapshot) error {
	err := f.db.guard(func() (err error) {
		snap.bolt, err = bolt.Open(snap.temp.Name(), 0o600, &bolt.Options{
			ReadOnly:     true,
			NoStatistics: true,
			OpenFile:     func(string, int, fs.FileMode) (*os.File, error) { return snap.temp, nil },
		})
		return err
	})
	if err != nil {
		if isDamage(err) {
			release(snap.temp) // bbolt panicked and left it locked
		}
		return f.db.openError(err)
	}
	if err := f.db.check(snap.bolt, snap.temp); err != nil {
		_ = snap.bolt.Close() // the first error tells more
		return err
	}
	return nil
}

// failed says that the file could not be copied.
func (f *follower) failed(err error) error {
	if err == nil {
		return nil
	}
	return class.Errorf(class.Unavailable, "read %s: %w", f.db.path, err)
}
