package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// bars draws the progress of a load or a prune, a bar for each item, on a
// terminal and nowhere else.
type bars struct {
	drawn    *mpb.Progress // nil where nothing is drawn
	counters func() decor.Decorator
	item     string
	current  *mpb.Bar
}

func newBars(w io.Writer, counters func() decor.Decorator) *bars {
	if !isTerminal(w) {
		return &bars{}
	}
	return &bars{drawn: mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(100*time.Millisecond)), counters: counters}
}

// isTerminal reports whether stream, an input or output, is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The counters at the end of a bar.
func countBytes() decor.Decorator  { return decor.CountersKibiByte("% .1f / % .1f") }
func countImages() decor.Decorator { return decor.CountersNoUnit("%d / %d") }

// load is what a load calls; nil when nothing is drawn.
func (b *bars) load() func(transfer.Progress) {
	if b.drawn == nil {
		return nil
	}
	return func(p transfer.Progress) { b.update(p.Item, p.Done, p.Total) }
}

// prune is what a prune calls; nil when nothing is drawn.
func (b *bars) prune() func(jettison.PruneProgress) {
	if b.drawn == nil {
		return nil
	}
	return func(p jettison.PruneProgress) { b.update("images", int64(p.Looked), int64(p.Total)) }
}

// check is what a check calls; nil when nothing is drawn.
func (b *bars) check() func(diskstore.CheckProgress) {
	if b.drawn == nil {
		return nil
	}
	return func(p diskstore.CheckProgress) { b.update("content", p.Done, p.Total) }
}

func (b *bars) update(item string, done, total int64) {
	if b.current == nil || item != b.item {
		b.next(item, total)
	}
	b.current.SetCurrent(done)
}

// next ends the bar of the item before and begins another.
func (b *bars) next(item string, total int64) {
	b.end()
	b.item = item
	b.current = b.drawn.AddBar(max(total, 0),
		mpb.PrependDecorators(decor.Name(itemName(item), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(b.counters()))
}

func (b *bars) end() {
	if b.current != nil {
		b.current.SetTotal(-1, true)
	}
}

// finish leaves the bars as they are and waits until they are drawn.
func (b *bars) finish(done bool) {
	if b.drawn == nil {
		return
	}
	if done {
		b.end()
	} else if b.current != nil {
		b.current.Abort(false)
	}
	b.drawn.Wait()
}

// itemName is what a bar is called: digests are cut to 12 digits.
func itemName(item string) string {
	if strings.Contains(item, ":") {
		return "layer " + conflict.Short(item)
	}
	return item
}
