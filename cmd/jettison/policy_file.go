package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// policyKeys are the flags of prune that can stand in a policy file, under the
// same names, in the order of the documentation.
func policyKeys() []string {
	return []string{"all", "filter", "keep-last", "protect", "min-age", "keep-storage", "disk-high", "disk-low"}
}

// A policyEntry is a key of a policy file with its values, which are texts as
// on the command line.
type policyEntry struct {
	key    string
	line   int
	values []string
	list   bool
}

// applyPolicy sets the flags that a policy file names. A flag given on the
// command line wins over the file; where it can be repeated, the file's values
// come first and those of the command line after them.
func applyPolicy(set *pflag.FlagSet, name string) error {
	if name == "" {
		return errors.New("--policy is empty: want a file")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return failed{err}
	}
	entries, err := parsePolicy(data)
	if err != nil {
		return errors.WithMessage(err, name)
	}
	for _, entry := range entries {
		if err := entry.apply(set.Lookup(entry.key)); err != nil {
			return errors.WithMessagef(err, "%s: line %d", name, entry.line)
		}
	}
	return nil
}

func (e policyEntry) apply(flag *pflag.Flag) error {
	list, isList := flag.Value.(pflag.SliceValue)
	switch {
	case isList != e.list && isList:
		return errors.Errorf("%s: want a list", e.key)
	case isList != e.list:
		return errors.Errorf("%s: want one value, not a list", e.key)
	case isList:
		flag.Changed = true
		return list.Replace(append(e.values, list.GetSlice()...))
	}
	given, changed := flag.Value.String(), flag.Changed
	if err := flag.Value.Set(e.values[0]); err != nil {
		return errors.WithMessagef(unreadable(flag.Value, err), "%s %q", e.key, e.values[0])
	}
	flag.Changed = true
	if changed {
		return flag.Value.Set(given)
	}
	return nil
}

// parsePolicy reads the text of a policy file: one YAML mapping. Errors name
// the line. What the values mean is left to the flags.
func parsePolicy(data []byte) ([]policyEntry, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]) {
		return nil, errors.New("the policy is empty: want keys with values")
	}
	if err != nil {
		return nil, err
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document, there is more")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.Errorf("line %d: want keys with values", root.Line)
	}
	var entries []policyEntry
	for pair := range slices.Chunk(root.Content, 2) {
		entry, err := readEntry(entries, pair[0], pair[1])
		if err != nil {
			return nil, errors.WithMessagef(err, "line %d", pair[0].Line)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// readEntry reads a key and its value; seen are the entries before it.
func readEntry(seen []policyEntry, key, value *yaml.Node) (policyEntry, error) {
	entry := policyEntry{key: key.Value, line: key.Line}
	if key.Kind != yaml.ScalarNode || !slices.Contains(policyKeys(), key.Value) {
		return entry, errors.Errorf("unknown key %q: want one of %s", key.Value, strings.Join(policyKeys(), ", "))
	}
	if i := slices.IndexFunc(seen, func(e policyEntry) bool { return e.key == key.Value }); i >= 0 {
		return entry, errors.Errorf("key %q is given twice, first in line %d", key.Value, seen[i].line)
	}
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		entry.list, values = true, value.Content
	}
	for _, v := range values {
		if v.Kind != yaml.ScalarNode {
			return entry, errors.Errorf("%s: want plain values", key.Value)
		}
		if isNull(v) || v.Value == "" {
			return entry, errors.Errorf("%s: a value is empty", key.Value)
		}
		entry.values = append(entry.values, v.Value)
	}
	if len(entry.values) == 0 {
		return entry, errors.Errorf("%s: the list is empty", key.Value)
	}
	return entry, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
