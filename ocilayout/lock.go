package ocilayout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

const (
	// lockFile is there while an Update runs. Its text says who runs it; what
	// decides is the lock on the file.
	lockFile  = tempPrefix + "lock"
	lockRetry = 10 * time.Millisecond
)

// errHeld says that somebody else holds the lock.
var errHeld = errors.New("the lock is held")

// lock keeps other processes of this kind from changing the layout until unlock.
func (l *Layout) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(l.dir, lockFile)
	giveUp := time.Now().Add(l.timeout)
	for {
		file, err := tryLock(path)
		if err == nil {
			_, _ = fmt.Fprintf(file, "%s, process %d\n", filepath.Base(os.Args[0]), os.Getpid()) // it only informs
			return func() { release(file, path) }, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, unavailable(err)
		}
		if time.Now().After(giveUp) {
			return nil, &LockedError{Dir: l.dir, Holder: holder(path)}
		}
		select {
		case <-ctx.Done():
			return nil, class.Wrap(class.Unavailable, ctx.Err())
		case <-time.After(lockRetry):
		}
	}
}

// holder is what the lock file says of who holds the lock.
func holder(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // a name of ours
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
