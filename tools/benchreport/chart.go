package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format
)

// A chart is a plot of a series, with a line for each unit. Both axes are
// logarithmic.
type chart struct {
	file, title string
	series      string
	x, y        string
	format      func(float64) string // of the labels at the y axis
	lines       []line
}

// A line has the values of a unit, each multiplied by scale.
type line struct {
	label, unit string
	look        look
}

// A look tells lines apart, also without colours.
type look struct {
	colour color.Color
	dash   []vg.Length
	shape  draw.GlyphDrawer
	width  vg.Length
}

func ours() look { return look{color.RGBA{0x00, 0x72, 0xB2, 0xFF}, nil, draw.CircleGlyph{}, 2.5} }

func limit() look {
	return look{color.RGBA{0x55, 0x55, 0x55, 0xFF}, []vg.Length{6, 3}, draw.SquareGlyph{}, 1.5}
}

func peer() look { return look{color.RGBA{0xD5, 0x5E, 0x00, 0xFF}, nil, draw.PyramidGlyph{}, 1.5} }

func other() look {
	return look{color.RGBA{0x00, 0x9E, 0x73, 0xFF}, []vg.Length{2, 3}, draw.CrossGlyph{}, 1.5}
}

func charts() []chart {
	times := []line{
		{"Docker", "docker-µs", peer()},
		{"Jettison", "jettison-µs", ours()},
		{"bbolt alone", "bbolt-µs", limit()},
	}
	return []chart{
		{"delete-images.svg", "Delete one image by its tag", "Delete/images", "images in the store", "time of one deletion", duration, times},
		{"delete-references.svg", "Delete one image with all its references, by force", "DeleteReferences/references", "references to the image", "time of one deletion", duration, times},
		{"delete-containers.svg", "Delete one image while other images have containers", "DeleteContainers/containers", "containers on other images", "time of one deletion", duration, times},
		{"open-images.svg", "Open a store", "Open/images", "images in the store", "time to open", duration, times},
		{"prune-images.svg", "Prune all images, unused and tagged", "Prune/images", "images in the store", "time of one image", duration, times},
		{"callers.svg", "Delete 64 images of 1,000 with several callers at once", "Callers/callers", "callers", "deletions a second", number, []line{
			{"Jettison", "jettison-deletes/s", ours()},
			{"bbolt alone, Batch", "bbolt-batch-deletes/s", other()},
			{"bbolt alone", "bbolt-deletes/s", limit()},
			{"Docker", "docker-deletes/s", peer()},
		}},
	}
}

// save draws the chart into a file.
func (c chart) save(path string, all *results) error {
	points := all.series(c.series)
	if len(points) == 0 {
		return fmt.Errorf("no results of Benchmark%s", c.series)
	}
	p := c.empty()
	for _, l := range c.lines {
		if err := l.add(p, points); err != nil {
			return fmt.Errorf("%s, %s: %w", path, l.label, err)
		}
	}
	p.X.Tick.Marker = sizeTicks(points)
	p.X.Min, p.X.Max = stretch(points[0].size, points[len(points)-1].size, 0.03, 0.05)
	p.Y.Tick.Marker = decades(c.format)
	p.Y.Min, p.Y.Max = stretch(p.Y.Min, max(p.Y.Max, 10*p.Y.Min), 0.1, 0.15+0.08*float64(len(c.lines))) // above is the legend
	return write(p, path)
}

// stretch makes a logarithmic range longer at each end by these parts of it.
func stretch(low, high, below, above float64) (lower, higher float64) {
	ratio := max(high/low, 10)
	return low / math.Pow(ratio, below), high * math.Pow(ratio, above)
}

// write draws the plot into a file. Whoever looks at it may not have the font,
// but likely one of the same measures.
func write(p *plot.Plot, path string) error {
	drawing, err := p.WriterTo(18*vg.Centimeter, 11*vg.Centimeter, "svg")
	if err != nil {
		return err
	}
	var svg bytes.Buffer
	if _, err := drawing.WriteTo(&svg); err != nil {
		return err
	}
	text := bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(path, text, 0o644) //nolint:gosec // a file of documentation
}

// empty is the chart without lines.
func (c chart) empty() *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Title.Padding = 3 * vg.Millimeter
	p.X.Padding, p.Y.Padding = 2*vg.Millimeter, 2*vg.Millimeter
	p.X.Label.Padding, p.Y.Label.Padding = 2*vg.Millimeter, 2*vg.Millimeter
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	}
	p.Title.TextStyle.Font.Size = 13
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = 3*vg.Millimeter, -2*vg.Millimeter
	p.Legend.Padding = 1 * vg.Millimeter
	p.Legend.ThumbnailWidth = 9 * vg.Millimeter
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xCC}, color.Gray{0xCC}
	p.Add(grid)
	return p
}

// add draws the line through the points that have its unit.
func (l line) add(p *plot.Plot, points []point) error {
	var xys plotter.XYs
	for _, pt := range points {
		y, ok := pt.values[l.unit]
		if ok && (y <= 0 || pt.size <= 0) { // the library panics
			return fmt.Errorf("%g %s at %g cannot be drawn on logarithmic axes", y, l.unit, pt.size)
		}
		if ok {
			xys = append(xys, plotter.XY{X: pt.size, Y: y})
		}
	}
	drawn, dots, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	drawn.Color, drawn.Width, drawn.Dashes = l.look.colour, l.look.width, l.look.dash
	dots.Color, dots.Shape, dots.Radius = l.look.colour, l.look.shape, 3
	p.Add(drawn, dots)
	p.Legend.Add(l.label, drawn, dots)
	return nil
}

// sizeTicks are labels at the sizes that were measured.
func sizeTicks(points []point) plot.Ticker {
	ticks := make(plot.ConstantTicks, len(points))
	for i, p := range points {
		ticks[i] = plot.Tick{Value: p.size, Label: whole(p.size)}
	}
	return ticks
}

// decades are labels at the powers of ten, and at 2 and 5 times of them where
// there are few; lines without labels between.
type decades func(float64) string

// Ticks implements [plot.Ticker].
func (format decades) Ticks(low, high float64) []plot.Tick {
	few := math.Log10(high/low) < 2.5
	var ticks []plot.Tick
	for unit := math.Pow(10, math.Floor(math.Log10(low))); unit <= high; unit *= 10 {
		for factor := 1.0; factor < 10; factor++ {
			value := unit * factor
			if value < low || value > high {
				continue
			}
			tick := plot.Tick{Value: value}
			if factor == 1 || few && (factor == 2 || factor == 5) {
				tick.Label = format(value)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}
