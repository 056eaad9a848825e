package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A table is a table of a page.
type table struct {
	name    string
	columns []column
	rows    []row
}

// A column is a unit of the benchmarks and how its values are written.
type column struct {
	title, unit string
	write       func(float64) string
}

// A row has the values of a series, a line for each size. The text takes the
// size, written as a number.
type row struct{ text, series string }

// tables are all that a page may have.
func tables() []table { return append(ownTables(), peerTables()...) }

// ownTables are those of stores on disk, and of loading.
func ownTables() []table {
	micros := []column{
		{"bbolt", "bbolt-µs", duration},
		{"Jettison", "jettison-µs", duration},
		{"Docker", "docker-µs", duration},
		{"Jettison / bbolt", "jettison/bbolt", number},
		{"Docker / Jettison", "docker/jettison", number},
	}
	image := column{"one image", "ns/image", func(nanos float64) string { return duration(nanos / 1000) }}
	return []table{
		{"delete", micros, []row{
			{"one image of %s, by its tag", "Delete/images"},
			{"by ID, by force; references: %s", "DeleteReferences/references"},
			{"by its tag; containers on other images: %s", "DeleteContainers/containers"},
		}},
		{"open", micros, []row{{"%s images", "Open/images"}}},
		{"prune", micros, []row{{"%s unused tagged images, each", "Prune/images"}}},
		{"prune-large", []column{image}, []row{
			{"%s images, Jettison", "Prune/images/jettison"},
			{"%s images, bbolt", "Prune/images/bbolt"},
			{"%s images, of which a filter chooses one in 20,000", "Prune/images/few"},
			{"%s images, a bare scan of their records", "Prune/images/scan"},
		}},
		{"prune-batch", []column{image, {"largest heap", "heap-MiB", func(mib float64) string { return number(mib) + " MiB" }}}, []row{
			{"batches of %s", "PruneBatch/batch"},
		}},
		{"callers", []column{
			{"bbolt", "bbolt-deletes/s", number},
			{"bbolt, Batch", "bbolt-batch-deletes/s", number},
			{"Jettison", "jettison-deletes/s", number},
			{"Docker", "docker-deletes/s", number},
			{"Jettison / bbolt", "jettison/bbolt", number},
			{"Jettison / Docker", "jettison/docker", number},
		}, []row{{"%s at once", "Callers/callers"}}},
		{"load", []column{
			{"`sha256sum`, `cp`, `sync`", "commands-MB/s", number},
			{"Jettison", "jettison-MB/s", number},
			{"SHA-256 alone", "sha256-MB/s", number},
			{"Jettison / commands", "jettison/commands", number},
		}, []row{
			{"OCI image layout, a layer of %s MiB", "Load/layout/MiB"},
			{"docker-archive, a layer of %s MiB", "Load/docker-archive/MiB"},
		}},
	}
}

// peerTables are those beside other tools on stores that are theirs too.
func peerTables() []table {
	return []table{
		{"layouts", []column{
			{"Jettison", "jettison-µs", duration},
			{"oras-go", "oras-µs", duration},
			{"umoci", "umoci-µs", duration},
			{"oras-go / Jettison", "oras/jettison", number},
			{"umoci / Jettison", "umoci/jettison", number},
		}, []row{
			{"remove one image of %s, with its blobs", "Layout/one/images"},
			{"remove all of %s images in one call", "Layout/all/images"},
			{"look for blobs that none of %s images needs", "Layout/collect/images"},
		}},
		{"containerd", []column{
			{"Jettison", "jettison-µs", duration},
			{"Docker's way", "docker-µs", duration},
			{"`ctr`", "ctr-µs", duration},
			{"Docker's way / Jettison", "docker/jettison", number},
			{"`ctr` / Jettison", "ctr/jettison", number},
		}, []row{
			{"a daemon: plan a prune of %s images", "Containerd/daemon/images/plan"},
			{"a daemon: remove one image of %s by its name", "Containerd/daemon/images/one"},
			{"a daemon: remove all of %s images, each", "Containerd/daemon/images/all"},
			{"in process: plan a prune of %s images", "Containerd/process/images/plan"},
			{"in process: remove one image of %s by its name", "Containerd/process/images/one"},
			{"in process: remove all of %s images, each", "Containerd/process/images/all"},
		}},
		{"etcd", []column{
			{"etcd", "etcd-µs", duration},
			{"Jettison", "jettison-µs", duration},
			{"Jettison / etcd", "jettison/etcd", number},
		}, []row{{"entries: %s", "Update/entries"}}},
		{"podman", []column{
			{"Jettison", "jettison-µs", duration},
			{"Jettison, in process", "library-µs", duration},
			{"Podman", "podman-µs", duration},
			{"Podman / Jettison", "podman/jettison", number},
			{"rewrites: Jettison", "jettison-rewrites", number},
			{"Podman", "podman-rewrites", number},
		}, []row{
			{"remove one image of %s", "Podman/one/images"},
			{"remove ten images of %s in one call", "Podman/ten/images"},
			{"prune all of %s images", "Podman/prune/images"},
		}},
	}
}

// markdown is the table, with the rows that there are results for.
func (t table) markdown(all *results) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	titles, rules := []string{"what"}, []string{"---"}
	for _, c := range t.columns {
		titles, rules = append(titles, c.title), append(rules, "---:")
	}
	line(titles)
	line(rules)
	for _, r := range t.rows {
		for _, p := range all.series(r.series) {
			cells := []string{fmt.Sprintf(r.text, whole(p.size))}
			for _, c := range t.columns {
				cells = append(cells, c.cell(p))
			}
			line(cells)
		}
	}
	return b.String()
}

func (c column) cell(p point) string {
	value, ok := p.values[c.unit]
	if !ok {
		return ""
	}
	return c.write(value)
}

// replace replaces what stands between the markers of this name.
func replace(text []byte, name, with string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- %s: made by make bench-report -->\n", name), []byte("<!-- end -->")
	from := bytes.Index(text, begin)
	if from < 0 {
		return nil, fmt.Errorf("there is no marker %q", begin)
	}
	from += len(begin)
	length := bytes.Index(text[from:], end)
	if length < 0 {
		return nil, fmt.Errorf("there is no %q after the marker %q", end, begin)
	}
	return bytes.Join([][]byte{text[:from], []byte("\n" + with + "\n"), text[from+length:]}, nil), nil
}

// duration writes microseconds in the unit in which they are easily read.
func duration(micros float64) string {
	switch {
	case micros >= 1e6:
		return number(micros/1e6) + " s"
	case micros >= 1e3:
		return number(micros/1e3) + " ms"
	default:
		return number(micros) + " µs"
	}
}

// number writes two significant digits of what is below ten, and three of what
// is not, with commas.
func number(v float64) string {
	digits := 3
	if v < 10 {
		digits = 2
	}
	if whole := math.Round(v); whole == v || v >= 100 {
		unit := math.Pow10(max(0, int(math.Log10(max(v, 1)))+1-digits))
		return commas(strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64))
	}
	return strconv.FormatFloat(v, 'f', max(0, digits-1-int(math.Floor(math.Log10(v)))), 64)
}

// whole writes all digits of a whole number.
func whole(v float64) string { return commas(strconv.FormatFloat(v, 'f', 0, 64)) }

func commas(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
