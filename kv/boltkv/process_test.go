//go:build !windows && !plan9 && !solaris && !aix && !android

package boltkv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// A process that these variables are set for plays a part, on a file.
const (
	partVariable = "JETTISON_TEST_PART"
	fileVariable = "JETTISON_TEST_FILE"
)

// TestPart does nothing but in a process that another test has started.
func TestPart(t *testing.T) {
	path := os.Getenv(fileVariable)
	switch os.Getenv(partVariable) {
	case "hold":
		open(t, path, nil)
		say("open")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other one closes it
	case "write":
		db := open(t, path, nil)
		for round := 1; round <= 100; round++ {
			putRound(t, db, round, 200+round)
			say("wrote %d", round)
		}
	case "read":
		readUntil(t, path, 100)
	}
}

// say tells the process that started this one.
func say(format string, args ...any) { fmt.Printf("say "+format+"\n", args...) }

// readUntil reads until it sees the round.
func readUntil(t *testing.T, path string, last int) {
	db := open(t, path, &boltkv.Options{ReadOnly: true, LockTimeout: time.Minute})
	say("open")
	for round := 0; round < last; {
		got := readRound(t, db)
		if got < round {
			t.Fatalf("got round %d after %d", got, round)
		}
		round = got
	}
}

// readRound is viewRound where the number of entries follows from the round.
func readRound(t *testing.T, db *boltkv.DB) (round int) {
	t.Helper()
	ctx := t.Context()
	err := db.View(ctx, func(r kv.Reader) error {
		text, err := r.Get(ctx, []byte("round/0000"))
		if err != nil {
			return err
		}
		if round, err = strconv.Atoi(string(text)); err != nil {
			return err
		}
		if got := roundOf(t, r, 200+round); got != round {
			t.Errorf("got rounds %d and %d in one view", round, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return round
}

// A part is a process of its own.
type part struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
	all   strings.Builder
}

func startPart(t *testing.T, name, path string) *part {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPart$", "-test.v")
	cmd.Env = append(os.Environ(), partVariable+"="+name, fileVariable+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &part{t: t, cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}
}

// hear waits until the part says something.
func (p *part) hear(want string) {
	p.t.Helper()
	for p.lines.Scan() {
		p.all.WriteString(p.lines.Text() + "\n")
		if p.lines.Text() == "say "+want {
			return
		}
	}
	p.t.Fatalf("the other process does not say %q, but:\n%s", want, &p.all)
}

// end waits for the end of the part, which must succeed.
func (p *part) end() {
	p.t.Helper()
	_ = p.stdin.Close() // it may have ended
	for p.lines.Scan() {
		p.all.WriteString(p.lines.Text() + "\n")
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the other process: %v\n%s", err, &p.all)
	}
}

// kill ends the part as a crash would.
func (p *part) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err == nil {
		p.t.Error("a process that was killed ends well")
	}
}

func wantHolder(t *testing.T, err error, pid int) {
	t.Helper()
	var locked *boltkv.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got error %v, want a LockedError", err)
	}
	host, hostErr := os.Hostname()
	if hostErr != nil {
		t.Fatal(hostErr)
	}
	h := locked.Holder
	program := filepath.Base(os.Args[0])
	if h == nil || h.PID != pid || h.Program != program || h.Host != host || time.Since(h.Since).Abs() > time.Hour {
		t.Errorf("got holder %v, want process %d (%s on %s) since a moment ago", h, pid, program, host)
	}
	if want := fmt.Sprintf("%s is in use by process %d (%s on %s) since ", locked.Path, pid, program, host); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
}

// Of two processes that write, the second is told who the first one is, or waits
// for it.
func TestTwoProcessesThatWrite(t *testing.T) {
	path, _ := newFile(t)
	first := startPart(t, "hold", path)
	first.hear("open")
	_, err := boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: -1})
	wantHolder(t, err, first.cmd.Process.Pid)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	_, err = boltkv.Open(t.Context(), link, &boltkv.Options{LockTimeout: -1})
	wantHolder(t, err, first.cmd.Process.Pid)

	var wg sync.WaitGroup
	wg.Go(func() {
		db, err := boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: time.Minute})
		if err != nil {
			t.Error("open that waits:", err)
			return
		}
		closeDB(t, db)
	})
	first.end()
	wg.Wait()
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the note has gone with the last holder", err)
	}
}

// The lock of a process that was killed is free, and the note that it has left
// is taken for nothing.
func TestAProcessThatWasKilled(t *testing.T) {
	path, _ := newFile(t)
	killed := startPart(t, "hold", path)
	killed.hear("open")
	killed.kill()
	if _, err := os.Stat(path + ".lock"); err != nil {
		t.Fatal("no note is left:", err)
	}
	note, err := os.ReadFile(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	put(t, open(t, path, &boltkv.Options{LockTimeout: -1}), "c", "1")
	for name, text := range map[string]string{"of a process that has ended": string(note), "no note": "hello", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			path, _ := newFile(t)
			if err := os.WriteFile(path+".lock", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(path) // someone who leaves no note
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close() //nolint:errcheck // nothing was written
			if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			_, err = boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: -1})
			var locked *boltkv.LockedError
			if !errors.As(err, &locked) || locked.Holder != nil || !strings.HasSuffix(err.Error(), "in use by another process, of which nothing is known") {
				t.Errorf("got error %v, want a LockedError without a holder", err)
			}
		})
	}
}

// Several processes read while one writes, and none waits for another.
func TestProcessesThatReadWhileOneWrites(t *testing.T) {
	path, _ := newFile(t)
	db := open(t, path, nil)
	putRound(t, db, 0, 200)
	closeDB(t, db)
	var readers []*part
	for range 3 {
		readers = append(readers, startPart(t, "read", path))
	}
	for _, reader := range readers {
		reader.hear("open")
	}
	writer := startPart(t, "write", path)
	writer.hear("wrote 100") // whether or not a reader is looking
	writer.end()
	for _, reader := range readers {
		reader.end()
	}
}

// A process that is killed in the midst of its commits leaves what a reader has
// open readable.
func TestAWriterThatIsKilledUnderAReader(t *testing.T) {
	path, _ := newFile(t)
	db := open(t, path, nil)
	putRound(t, db, 0, 200)
	closeDB(t, db)
	reader := open(t, path, readOnly)
	writer := startPart(t, "write", path)
	writer.hear("wrote 20")
	writer.kill()
	if round := readRound(t, reader); round < 20 {
		t.Errorf("got round %d, want 20 or more", round)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := boltkv.Open(ctx, path, readOnly); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a context that has ended: got error %v, want context.Canceled", err)
	}
}
