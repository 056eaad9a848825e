// Command benchreport turns the output of benchmarks into tables and plots. It
// reads the files that it is given, writes the tables between their markers in a
// page, and plots beside it. Equal input gives equal output.
//
//	benchreport -page docs/benchmarks.md -plots docs/plots docs/benchmarks/*.txt
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	page := flag.String("page", "", "page in which the tables are replaced; none if empty")
	plots := flag.String("plots", "", "directory for the plots; none if empty")
	flag.Parse()
	if err := report(*page, *plots, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "benchreport:", err)
		os.Exit(1)
	}
}

func report(page, plots string, files []string) error {
	all, err := readFiles(files)
	if err != nil {
		return err
	}
	if page != "" {
		if err := rewrite(page, all); err != nil {
			return err
		}
	}
	if plots == "" {
		return nil
	}
	if err := os.MkdirAll(plots, 0o755); err != nil { //nolint:gosec // a directory of documentation
		return err
	}
	for _, c := range charts() {
		if err := c.save(filepath.Join(plots, c.file), all); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces the tables in a page.
func rewrite(page string, all *results) error {
	text, err := os.ReadFile(page) //nolint:gosec // the page that was asked for
	if err != nil {
		return err
	}
	for _, t := range tables() {
		if text, err = replace(text, t.name, t.markdown(all)); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	if text, err = replace(text, "machine", all.machine()); err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, text, 0o644) //nolint:gosec // a page of documentation
}
