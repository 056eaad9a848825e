package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/perf/benchfmt"
)

// results are what benchmarks have measured.
type results struct {
	points []point
	config map[string]string // what all files say of the machine
}

// A point is one benchmark at one size.
type point struct {
	// series is the name without the size: "Delete/images", "Prune/images/bbolt".
	series string
	size   float64
	// values are by unit: "jettison-µs".
	values map[string]float64
}

// readFiles reads the output of benchmarks. Where one was run several times,
// the last counts. The machine must be one.
func readFiles(names []string) (*results, error) {
	all := &results{config: make(map[string]string)}
	files := benchfmt.Files{Paths: names}
	for files.Scan() {
		switch record := files.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, record
		case *benchfmt.Result:
			if err := all.add(record); err != nil {
				return nil, err
			}
		}
	}
	if err := files.Err(); err != nil {
		return nil, err
	}
	if len(all.points) == 0 {
		return nil, fmt.Errorf("no benchmarks in %q", names)
	}
	return all, nil
}

// add takes a benchmark that has a size. Others are not of interest.
func (all *results) add(r *benchfmt.Result) error {
	for _, c := range r.Config {
		key, value := c.Key, string(c.Value)
		if !c.File || !slices.Contains([]string{"cpu", "goos", "goarch", "go", "cores"}, key) {
			continue
		}
		if old, ok := all.config[key]; ok && old != value {
			return fmt.Errorf("the files are of different machines: %s is %s and %s", key, old, value)
		}
		all.config[key] = value
	}
	if day := r.GetConfig("date"); day > all.config["date"] {
		all.config["date"] = day
	}
	if p, ok := pointOf(r); ok {
		all.put(p)
	}
	return nil
}

// pointOf makes a point of a benchmark that has a size in its name.
func pointOf(r *benchfmt.Result) (p point, sized bool) {
	base, parts := r.Name.Parts()
	p = point{values: valuesOf(r)}
	series := bytes.Clone(base)
	for _, part := range parts {
		name, value, _ := bytes.Cut(part, []byte("="))
		if size, err := strconv.ParseFloat(string(value), 64); err == nil {
			p.size, sized = size, true
		}
		if part[0] == '/' { // the last may be the number of processors
			series = append(series, name...)
		}
	}
	p.series = string(series)
	return p, sized
}

func valuesOf(r *benchfmt.Result) map[string]float64 {
	values := make(map[string]float64)
	for _, v := range r.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		values[unit] = value
	}
	return values
}

func (all *results) put(p point) {
	for i, old := range all.points {
		if old.series == p.series && old.size == p.size {
			all.points[i] = p
			return
		}
	}
	all.points = append(all.points, p)
}

// series are the points of this name, by size.
func (all *results) series(name string) []point {
	var found []point
	for _, p := range all.points {
		if p.series == name {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b point) int { return cmp.Compare(a.size, b.size) })
	return found
}

// machine says in a sentence what was measured on.
func (all *results) machine() string {
	c := all.config
	return fmt.Sprintf("Measured %s with %s on %s/%s, %s, %s cores.\n",
		cmp.Or(c["date"], "once"), cmp.Or(c["go"], "Go"), c["goos"], c["goarch"], c["cpu"], cmp.Or(c["cores"], "some"))
}
