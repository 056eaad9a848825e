package jettison_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program in the README runs by itself, in a module of its own, and prints
// what Example prints. A test binary has packages linked in that a program may
// lack, so Example alone does not show it.
func TestREADMEProgramRuns(t *testing.T) {
	program := goBlock.FindStringSubmatch(readFile(t, "README.md"))
	if program == nil {
		t.Fatal("README.md has no Go program")
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := fmt.Sprintf("%s\nreplace github.com/jettison-oci/jettison => %s\nrequire github.com/jettison-oci/jettison v0.0.0\n",
		strings.Replace(readFile(t, "go.mod"), "module github.com/jettison-oci/jettison", "module program", 1), root)
	for name, text := range map[string]string{"main.go": program[1], "go.mod": mod, "go.sum": readFile(t, "go.sum")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "[Untagged: app:1.0 Deleted: sha256:") {
		t.Errorf("error %v, output:\n%s", err, out)
	}
}
