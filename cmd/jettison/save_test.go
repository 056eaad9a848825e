//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bigStore makes a store of one image whose layer takes a while to write.
func bigStore(t *testing.T) string {
	t.Helper()
	const size = 64 << 20
	dir := t.TempDir()
	rootFS, err := os.Create(filepath.Join(dir, "rootfs.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer rootFS.Close() //nolint:errcheck // Truncate has told
	w := tar.NewWriter(rootFS)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: size, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := rootFS.Truncate(512 + size + 1024); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	cmd := exec.CommandContext(t.Context(), "jettison", "--store", store, "import", "-q", rootFS.Name(), "big")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	return store
}

// A save that is interrupted leaves no file, not even a part of one, and says
// so with a status of its own. One may be done before the signal comes, so it
// is tried several times.
func TestInterruptedSave(t *testing.T) {
	store := bigStore(t)
	for range 20 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "jettison", "--store", store, "save", "-q", "-o", filepath.Join(dir, "big.tar"), "big")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		start(t, cmd)
		await(t, "the save to begin to write", func() bool {
			files, _ := os.ReadDir(dir)
			return len(files) > 0
		})
		send(t, cmd, os.Interrupt)
		state := wait(t, cmd)
		files, _ := os.ReadDir(dir)
		if state.ExitCode() == 0 && len(files) == 1 && files[0].Name() == "big.tar" {
			continue
		}
		if got := state.ExitCode(); got != exitInterrupted || stderr.String() != "Error: interrupted\n" {
			t.Errorf("got exit status %d (%v), standard error %q, want %d", got, state, stderr.String(), exitInterrupted)
		}
		if len(files) > 0 {
			t.Errorf("left behind: %v", files)
		}
		return
	}
	t.Error("every save was done before the signal came")
}

// A save to a pipe that nobody reads ends with a signal all the same.
func TestInterruptedSaveToPipe(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "jettison", "--store", bigStore(t), "save", "big")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := io.ReadFull(out, make([]byte, 1024)); err != nil { // it has begun
		t.Fatal(err)
	}
	send(t, cmd, os.Interrupt)
	state := wait(t, cmd)
	if got := state.ExitCode(); got != exitInterrupted || stderr.String() != "Error: interrupted\n" {
		t.Errorf("got exit status %d (%v), standard error %q, want %d", got, state, stderr.String(), exitInterrupted)
	}
}
