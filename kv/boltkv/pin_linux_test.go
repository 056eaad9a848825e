package boltkv_test

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jettison-oci/jettison/kv/boltkv"
)

// A reader that stops in the midst of copying keeps the writer's file from being
// mapped anew for some seconds and not for ever.
func TestAReaderThatStopsIsNotWaitedForForEver(t *testing.T) {
	path, _ := newFile(t)
	db := open(t, path, nil)
	putRound(t, db, 0, 400) // so that its mapping has room for a while
	closeDB(t, db)
	last := lastCommit(t, path)
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // nothing was written
	const setLock, base = 37, 1 << 61
	lock := syscall.Flock_t{Type: syscall.F_RDLCK, Start: base + int64(last), Len: 1}
	if err := syscall.FcntlFlock(reader.Fd(), setLock, &lock); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := boltkv.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // after which another commit is the last one
			put(t, db, "a", "2")
			time.Sleep(time.Minute) // of the bubble, which takes no time
		}
		put(t, db, "large", string(make([]byte, 1<<20)))
		closeDB(t, db)
	})
}
