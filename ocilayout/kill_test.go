package ocilayout_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
)

var kills = flag.Int("kills", 25, "how often TestKill kills a process that changes a layout")

// killed names the layout that a child process changes until it is killed.
const killed = "JETTISON_TEST_LAYOUT"

// A process that tags, deletes, prunes and adds images is killed at random
// moments. Whenever that is, index.json is whole, no image lacks a blob, what
// was reported as done is done, and a repair removes all that is left about.
func TestKill(t *testing.T) {
	if dir := os.Getenv(killed); dir != "" {
		changeForEver(t, dir)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := faultLayout(t)
	done := 0
	for n := range *kills {
		last := killOne(t, dir, rnd.IntN(6), time.Duration(rnd.IntN(10))*time.Millisecond)
		done += last
		l := open(t, dir)
		images, damage := list(t, l)
		if len(damage) > 0 {
			t.Fatalf("kill %d: damaged: %v", n, damage)
		}
		if want := fmt.Sprintf("docker.io/library/mark:%d", last); last > 0 && !strings.Contains(strings.Join(images, " "), want) &&
			!strings.Contains(strings.Join(images, " "), fmt.Sprintf("mark:%d", last+1)) {
			t.Fatalf("kill %d: round %d was done, and is not there: %q", n, last, images)
		}
		repair(t, l)
		if stray := strays(t, dir); len(stray) > 0 {
			t.Fatalf("kill %d: left after a repair: %q", n, stray)
		}
	}
	if done == 0 {
		t.Error("no child ever did anything")
	}
	t.Logf("%d rounds of work in %d processes", done, *kills)
}

// killOne runs a child until it has said that so many rounds are done, and some
// time more, and returns the number of the last round that it said it had done.
func killOne(t *testing.T, dir string, rounds int, after time.Duration) (last int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKill$")
	cmd.Env = append(os.Environ(), killed+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		if seen == rounds { // the first word comes ahead of the first round
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		if n, ok := strings.CutPrefix(lines.Text(), "done "); ok {
			last, _ = strconv.Atoi(n)
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return last
}

// changeForEver works on a layout until it is killed. Each round ends with a tag
// that has its number.
func changeForEver(t *testing.T, dir string) {
	fmt.Println("begin")
	l := open(t, dir)
	service := jettison.New(l, nil)
	for round := 1; ; round++ {
		n := 100 + round%7
		desc := putImage(t, dir, faultImage(n))
		err := l.Edit(t.Context(), func(tx *ocilayout.Tx) error { return mark(t.Context(), tx, desc, round) })
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("done", round)
		_, _ = service.ImagesDelete(t.Context(), []string{fmt.Sprintf("mark:%d", round-1), "multi:1.0"}, jettison.RemoveOptions{})
		if round%5 == 0 {
			_, _ = service.ImagesPrune(t.Context(), jettison.PruneOptions{})
		}
	}
}

// mark adds an image and names it after the round.
func mark(ctx context.Context, tx *ocilayout.Tx, desc ocispec.Descriptor, round int) error {
	id, err := tx.Add(ctx, desc)
	if err != nil {
		return err
	}
	return tx.Name(ctx, id, tagged(fmt.Sprintf("mark:%d", round)), refstore.AddOptions{Force: true})
}
