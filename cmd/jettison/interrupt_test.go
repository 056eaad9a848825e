//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen at once.
const patience = time.Minute

// A load that waits for its input ends with a signal, leaves no image and says
// so with a status of its own.
func TestInterruptedLoad(t *testing.T) {
	for _, tc := range []struct {
		name   string
		signal os.Signal
		args   []string
		want   string
	}{
		{"SIGINT", os.Interrupt, []string{"load"}, "Error: interrupted\n"},
		{"SIGTERM", syscall.SIGTERM, []string{"load", "-i", "-"}, "Error: interrupted\n"},
		{"JSON", os.Interrupt, []string{"load", "--format", "json"}, `{"Error":"interrupted","Class":"Unavailable"}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			cmd := exec.CommandContext(t.Context(), "jettison", append(tc.args, "--store", dir)...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			in, err := cmd.StdinPipe() // nothing is ever written
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close() //nolint:errcheck // the test is over
			start(t, cmd)
			await(t, "the load to begin to read", func() bool {
				spools, _ := filepath.Glob(filepath.Join(dir, "ingest", "archive-*"))
				return len(spools) > 0
			})
			send(t, cmd, tc.signal)
			state := wait(t, cmd)
			if got := state.ExitCode(); got != exitInterrupted || stderr.String() != tc.want {
				t.Errorf("got exit status %d (%v), standard error %q, want %d, %q", got, state, stderr.String(), exitInterrupted, tc.want)
			}
			if left, _ := os.ReadDir(filepath.Join(dir, "ingest")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A second signal ends a command that does not heed the first: here one whose
// notes nobody reads.
func TestSecondSignalKills(t *testing.T) {
	t.Setenv("JETTISON_STORE", filepath.Join(t.TempDir(), "store"))
	load := []string{"load", "-i", "../../testdata/images/docker-archive.tar"}
	for _, args := range [][]string{load, {"tag", "web:1.0", "app:1.0"}} {
		if out, err := exec.CommandContext(t.Context(), "jettison", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), "jettison", load...)
	cmd.Stderr = fullPipe(t)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "full:1.0") { // the last line; then comes the note that app:1.0 has moved
			break
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the state is looked at below
	}()
	send(t, cmd, os.Interrupt)
	select {
	case <-ended:
		t.Fatalf("the first signal has ended it: %v", cmd.ProcessState)
	case <-time.After(300 * time.Millisecond):
	}
	await(t, "the end by the second signal", func() bool {
		_ = cmd.Process.Signal(os.Interrupt) // again, in case it has not got to the first; it may have ended
		select {
		case <-ended:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT {
		t.Errorf("got %v, want the end by an interrupt", cmd.ProcessState)
	}
}

// fullPipe returns a pipe that takes nothing more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	conn, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	err = conn.Write(func(fd uintptr) bool { // does not block
		for full == nil {
			_, full = syscall.Write(int(fd), make([]byte, 1))
		}
		return true
	})
	if err != nil || !errors.Is(full, syscall.EAGAIN) {
		t.Fatalf("filling a pipe: %v, %v", err, full)
	}
	return w
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // has ended if all went well
}

func send(t *testing.T, cmd *exec.Cmd, sig os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// wait returns how the process ended.
func wait(t *testing.T, cmd *exec.Cmd) *os.ProcessState {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // the state says how
	return cmd.ProcessState
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
