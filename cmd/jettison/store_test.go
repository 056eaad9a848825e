package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/diskstore"
)

// runRoot runs a command line in this process and returns what it prints.
func runRoot(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

// loadedStore makes a store with the images of an archive the one that the
// commands work on.
func loadedStore(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	t.Setenv("JETTISON_STORE", dir)
	if _, err := runRoot(t.Context(), "load", "-q", "-i", "../../testdata/images/docker-archive.tar"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What only reads leaves the file as it is, and keeps nobody from changing it.
func TestReadersShare(t *testing.T) {
	dir := loadedStore(t)
	before, err := os.ReadFile(filepath.Join(dir, "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // nothing was written
	for _, line := range []string{
		"images", "inspect web:1.0", "container ls", "lease ls", "rmi --dry-run web:1.0", "prune -a --dry-run", "__complete rmi we",
	} {
		if _, err := runRoot(t.Context(), append(strings.Fields(line), "--wait", "0")...); err != nil {
			t.Errorf("%s while another reads: %v", line, err)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, "meta.db"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("reading has changed the records, or made them unreadable: %v", err)
	}
	if _, err := runRoot(t.Context(), "tag", "web:1.0", "web:2.0", "--wait", "0"); err != nil {
		t.Errorf("tag while another reads: %v", err)
	}
}

// A container is added in one commit, like a tag: a command that is killed
// leaves nothing half done, and no lease that holds the image for ever.
func TestContainerAddCommitsOnce(t *testing.T) {
	dir := loadedStore(t)
	commits := func(args ...string) int {
		before := lastCommit(t, dir)
		if _, err := runRoot(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
		return lastCommit(t, dir) - before
	}
	want := commits("tag", "web:1.0", "web:2.0")
	if got := commits("container", "add", "db", "web:1.0", "--mount", "base:1.0,full:1.0"); got != want {
		t.Errorf("container add: got %d commits, want %d, as of tag", got, want)
	}
}

// lastCommit is the number of the last commit to the records of a store.
func lastCommit(t *testing.T, dir string) (id int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "meta.db"), 0, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	err = db.View(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Every command shows in its help how it is used.
func TestExamples(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !strings.HasPrefix(strings.TrimSpace(cmd.Example)+" ", "jettison ") && cmd.Name() != "completion" || cmd.Example == "" {
			t.Errorf("%s: got example %q, want one that begins with the command", cmd.CommandPath(), cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}
