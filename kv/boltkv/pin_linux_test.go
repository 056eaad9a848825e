package boltkv_test

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// A reader that stops in the midst of copying keeps the writer's file from being
// mapped anew for some seconds and not for ever.
func TestAReaderThatStopsIsNotWaitedForForEver(t *testing.T) {
	path, last := roomyFile(t)
	defer pinning(t, path, last, 1)()
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

// roomyFile is a file whose mapping has room for a while, and its last commit.
func roomyFile(t testing.TB) (path string, last int) {
	t.Helper()
	path, _ = newFile(t)
	db := open(t, path, nil)
	putRound(t, db, 0, 400)
	closeDB(t, db)
	return path, lastCommit(t, path)
}

// pinning does what a reader in another process does that copies some commits,
// until stop.
func pinning(t testing.TB, path string, from, n int) (stop func()) {
	t.Helper()
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const setLock, base = 37, 1 << 61
	lock := syscall.Flock_t{Type: syscall.F_RDLCK, Start: base + int64(from), Len: int64(n)}
	if err := syscall.FcntlFlock(reader.Fd(), setLock, &lock); err != nil {
		t.Fatal(err)
	}
	return func() { _ = reader.Close() } // nothing was written
}

// Several commits are kept for readers, an Update outgrows the mapping and waits
// for them, and a View begins and waits for the Update. When the readers stop,
// all of them go on: what is kept ends although the View keeps the end of one
// from finishing.
func TestWhatIsKeptEndsUnderAViewThatBegins(t *testing.T) {
	path, last := roomyFile(t)
	db, err := boltkv.Open(t.Context(), path, nil) // not to be closed when all wait for each other
	if err != nil {
		t.Fatal(err)
	}
	stop := pinning(t, path, last, 100)
	for range 2 {
		put(t, db, "a", "2")
	}
	done := make(chan error, 2)
	go func() {
		done <- db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(t.Context(), []byte("large"), make([]byte, 1<<20)) })
	}()
	await(t, "bbolt.(*DB).mmap(", "sync.(*RWMutex).Lock(")
	go func() { done <- db.View(t.Context(), func(kv.Reader) error { return nil }) }()
	await(t, "boltkv.(*DB).View(", "sync.(*RWMutex).RLock(")
	stop()
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("all wait for each other:\n%s", stacks())
		}
	}
	closeDB(t, db)
}

// await waits until a goroutine is in all of these functions.
func await(t testing.TB, functions ...string) {
	t.Helper()
	for range 10_000 {
		for stack := range strings.SplitSeq(stacks(), "\n\n") {
			in := 0
			for _, function := range functions {
				if strings.Contains(stack, function) {
					in++
				}
			}
			if in == len(functions) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no goroutine comes to be in all of %q:\n%s", functions, stacks())
}

// stacks are those of all goroutines.
func stacks() string {
	text := make([]byte, 1<<20)
	return string(text[:runtime.Stack(text, true)])
}
