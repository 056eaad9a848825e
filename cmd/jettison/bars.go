package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/transfer"
)

// bars draws the progress of a load, a bar for each item, on a terminal and
// nowhere else.
type bars struct {
	drawn   *mpb.Progress // nil where nothing is drawn
	item    string
	current *mpb.Bar
}

func newBars(w io.Writer, quiet bool) *bars {
	f, ok := w.(*os.File)
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) {
		return &bars{}
	}
	return &bars{drawn: mpb.New(mpb.WithOutput(f), mpb.WithRefreshRate(100*time.Millisecond))}
}

// progress is what a load calls; nil when nothing is drawn.
func (b *bars) progress() func(transfer.Progress) {
	if b.drawn == nil {
		return nil
	}
	return b.update
}

func (b *bars) update(p transfer.Progress) {
	if b.current == nil || p.Item != b.item {
		b.next(p)
	}
	b.current.SetCurrent(p.Done)
}

// next ends the bar of the item before and begins another.
func (b *bars) next(p transfer.Progress) {
	b.end()
	b.item = p.Item
	b.current = b.drawn.AddBar(max(p.Total, 0),
		mpb.PrependDecorators(decor.Name(itemName(p.Item), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
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
