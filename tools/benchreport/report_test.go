package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `date: 2026-01-02
go: go1.99
cores: 8
goos: linux
goarch: amd64
cpu: Some CPU
BenchmarkDelete/images=100-8 	20	948432 ns/op	500.0 bbolt-µs	2261 docker-µs	3.77 docker/jettison	600 jettison-µs	1.2 jettison/bbolt	32169 B/op	325 allocs/op
BenchmarkDelete/images=100000-8 	20	948432 ns/op	1500.0 bbolt-µs	2261000 docker-µs	1256.1 docker/jettison	1800 jettison-µs	1.2 jettison/bbolt	32169 B/op	325 allocs/op
BenchmarkDeleteReferences/references=1-8 	20	1 ns/op	1 bbolt-µs	1 docker-µs	1 jettison-µs
BenchmarkDeleteContainers/containers=1-8 	20	1 ns/op	1 bbolt-µs	1 docker-µs	1 jettison-µs
BenchmarkOpen/images=1-8 	20	1 ns/op	1 bbolt-µs	1 docker-µs	1 jettison-µs
BenchmarkPrune/images=1-8 	20	1 ns/op	1 bbolt-µs	1 docker-µs	1 jettison-µs
BenchmarkPrune/images=1/jettison-8 	3	1 ns/op	62500 ns/image
BenchmarkCallers/callers=1-8 	20	1 ns/op	1 bbolt-deletes/s	1 bbolt-batch-deletes/s	1 docker-deletes/s	1 jettison-deletes/s
BenchmarkLayout/one/images=1-8 	5	1 ns/op	1 jettison-µs	1 oras-µs
BenchmarkContainerd/daemon/images=1000/one-8 	3	1 ns/op	20 ctr-µs	0.5 ctr/jettison	30 docker-µs	0.75 docker/jettison	40 jettison-µs
BenchmarkUpdate/entries=300-8 	20	1 ns/op	2500 etcd-µs	5000 jettison-µs	2.0 jettison/etcd
BenchmarkPodman/one/images=1000-8 	9	1 ns/op	620031 jettison-µs	583969 library-µs	13.00 jettison-rewrites	13.00 podman-rewrites	1184178 podman-µs	1.910 podman/jettison
BenchmarkLoad/layout/MiB=1024-8 	20	1 ns/op	812.3 jettison-MB/s
`

// page has all markers.
func page() string {
	var b strings.Builder
	b.WriteString("before\n")
	for _, name := range []string{"machine", "delete", "open", "prune", "prune-large", "prune-batch", "callers", "layouts", "containerd", "etcd", "podman", "load"} {
		b.WriteString("<!-- " + name + ": made by make bench-report -->\nold\n<!-- end -->\nbetween\n")
	}
	return b.String()
}

func run(t *testing.T, output, page string) (dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"raw.txt": output, "page.md": page} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, report(filepath.Join(dir, "page.md"), filepath.Join(dir, "plots"), []string{filepath.Join(dir, "raw.txt")})
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReport(t *testing.T) {
	dir, err := run(t, output, page())
	if err != nil {
		t.Fatal(err)
	}
	got := string(read(t, dir, "page.md"))
	for _, want := range []string{
		"Measured 2026-01-02 with go1.99 on linux/amd64, Some CPU, 8 cores.",
		"| one image of 100, by its tag | 500 µs | 600 µs | 2.3 ms | 1.2 | 3.8 |",
		"| one image of 100,000, by its tag | 1.5 ms | 1.8 ms | 2.3 s | 1.2 | 1,260 |",
		"| 1 unused tagged images, each | 1 µs | 1 µs | 1 µs |",
		"| 1 images, Jettison | 62.5 µs |",
		"| a daemon: remove one image of 1,000 by its name | 40 µs | 30 µs | 20 µs | 0.75 | 0.50 |",
		"| entries: 300 | 2.5 ms | 5 ms | 2 |",
		"| remove one image of 1,000 | 620 ms | 584 ms | 1.2 s | 1.9 | 13 | 13 |",
		"| OCI image layout, a layer of 1,024 MiB |  | 812 |  |  |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "old") || strings.Count(got, "between") != 12 {
		t.Errorf("not exactly what is between markers was replaced:\n%s", got)
	}
	for _, c := range charts() {
		if svg := read(t, dir, "plots", c.file); !bytes.Contains(svg, []byte(c.title)) {
			t.Errorf("%s has no title %q", c.file, c.title)
		}
	}
}

func TestEqualInputGivesEqualOutput(t *testing.T) {
	first, err := run(t, output, page())
	if err != nil {
		t.Fatal(err)
	}
	second, err := run(t, output, string(read(t, first, "page.md")))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(first, "*", "*.svg"))
	if err != nil || len(files) != len(charts()) {
		t.Fatalf("%d plots, error %v, want %d", len(files), err, len(charts()))
	}
	for _, file := range append(files, filepath.Join(first, "page.md")) {
		name, err := filepath.Rel(first, file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, first, name), read(t, second, name)) {
			t.Errorf("%s differs the second time", name)
		}
	}
}

func TestReportRefuses(t *testing.T) {
	for _, test := range []struct{ name, output, page, want string }{
		{"no benchmarks", "PASS\n", page(), "no benchmarks"},
		{"two machines", output + "cpu: Another\nBenchmarkOpen/images=2 1 1 ns/op\n", page(), "different machines"},
		{"a malformed line", output + "BenchmarkOpen/images=2 1 fast\n", page(), "parsing"},
		{"a missing chart", strings.ReplaceAll(output, "Callers", "Others"), page(), "no results of BenchmarkCallers"},
		{"nothing for a logarithm", strings.ReplaceAll(output, "1500.0 bbolt-µs", "0 bbolt-µs"), page(), "logarithmic"},
		{"a missing marker", output, "no page\n", "no marker"},
		{"a missing end", output, strings.ReplaceAll(page(), "<!-- end -->", ""), "end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := run(t, test.output, test.page); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for value, want := range map[float64]string{
		0.5: "0.50", 0.0123: "0.012", 1: "1", 1.24: "1.2", 9.97: "10.0", 10.04: "10.0", 42.26: "42.3",
		99.96: "100.0", 123.4: "123", 1234: "1,230", 5234567: "5,230,000", 100000: "100,000", 16: "16", 1024: "1,020",
	} {
		if got := number(value); got != want {
			t.Errorf("number(%v) = %q, want %q", value, got, want)
		}
	}
	for micros, want := range map[float64]string{0.5: "0.50 µs", 999: "999 µs", 1500: "1.5 ms", 2.5e6: "2.5 s"} {
		if got := duration(micros); got != want {
			t.Errorf("duration(%v) = %q, want %q", micros, got, want)
		}
	}
}
