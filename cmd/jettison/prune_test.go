package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
)

// A countedContext ends when it has been asked so many times whether it has.
type countedContext struct {
	context.Context
	asked atomic.Int64
	last  int64
	end   context.CancelFunc
}

func newCountedContext(ctx context.Context, last int64) *countedContext {
	c := &countedContext{last: last}
	c.Context, c.end = context.WithCancel(ctx)
	return c
}

func (c *countedContext) Err() error {
	if c.asked.Add(1) == c.last {
		c.end()
	}
	return c.Context.Err()
}

// An interrupted prune prints what it has done, then the error (rule P8): what
// is printed is exactly what is gone.
func TestInterruptedPrune(t *testing.T) {
	const images = 250 // more than two batches
	full := filepath.Join(t.TempDir(), "full")
	fillStore(t, full, images)
	complete := newCountedContext(t.Context(), -1)
	out, err := runPrune(complete, full)
	if err != nil || strings.Count(out, "deleted: ") != images {
		t.Fatalf("whole prune: error %v, %d images deleted, want none, %d", err, strings.Count(out, "deleted: "), images)
	}
	partly := 0
	for _, share := range []int64{1, 3, 5, 7, 9} {
		dir := filepath.Join(t.TempDir(), "store")
		fillStore(t, dir, images)
		out, err := runPrune(newCountedContext(t.Context(), complete.asked.Load()*share/10), dir)
		if !errors.Is(err, context.Canceled) || exitStatus(err, exitCodes{}) != exitFailed {
			t.Errorf("ended after %d tenths: got error %v, exit status %d, want %v, 1", share, err, exitStatus(err, exitCodes{}), context.Canceled)
		}
		printed, gone := strings.Count(out, "deleted: "), images-countImagesIn(t, dir)
		if printed != gone {
			t.Errorf("ended after %d tenths: %d deletions printed, %d images gone", share, printed, gone)
		}
		if gone > 0 && gone < images {
			partly++
		}
	}
	if partly == 0 {
		t.Error("no prune was ended between its first batch and its last")
	}
}

// runPrune prunes in batches of 100 and returns what is printed.
func runPrune(ctx context.Context, store string) (string, error) {
	var out bytes.Buffer
	set := &settings{store: store, format: formatText}
	cmd := &cobra.Command{RunE: action(func(cmd *cobra.Command, _ []string) error {
		return set.prune(cmd, &pruneFlags{force: true}, jettison.PruneOptions{BatchSize: 100})
	})}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{})
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// fillStore makes a store with n dangling images.
func fillStore(t *testing.T, dir string, n int) {
	t.Helper()
	store, err := diskstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a failing test tells enough
	err = store.Edit(t.Context(), func(tx *kvstore.Tx) error {
		for i := range n {
			config := fmt.Appendf(nil, `{"config":{"Labels":{"n":"%d"}},"rootfs":{"type":"layers"}}`, i)
			if _, err := tx.CreateImage(t.Context(), imagestore.Spec{Config: config}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func countImagesIn(t *testing.T, dir string) int {
	t.Helper()
	store, err := diskstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a failing test tells enough
	found := make(map[digest.Digest]bool)
	err = store.Read(t.Context(), func(tx *kvstore.Tx) error {
		for img, err := range tx.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			found[img.ID] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestDiskUsage(t *testing.T) {
	usage, err := diskUsage(t.TempDir())
	if !slices.Contains([]string{"linux", "darwin", "freebsd"}, runtime.GOOS) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %+v, %v, want %v", usage, err, errors.ErrUnsupported)
		}
		return
	}
	if err != nil || usage.Used <= 0 || usage.Total < usage.Used {
		t.Errorf("diskUsage: got %+v, %v, want more than 0 used and no more than there is", usage, err)
	}
	if _, err := diskUsage(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("diskUsage of a missing directory: got %v, want %v", err, os.ErrNotExist)
	}
}
