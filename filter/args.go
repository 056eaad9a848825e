package filter

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The keys of filters (rule P4).
const (
	Dangling  = "dangling"
	Label     = "label"
	NotLabel  = "label!"
	Until     = "until"
	Reference = "reference"
	Before    = "before"
	Since     = "since"
	ID        = "id"
	Orphaned  = "orphaned"
)

// Keys returns every key, in the order in which errors and the documentation
// name them.
func Keys() []string {
	return []string{Dangling, Label, NotLabel, Until, Reference, Before, Since, ID, Orphaned}
}

// Args are filters as given: the values of each key, in order. Nil is no
// filters. Args made by hand are checked by [New].
type Args map[string][]string

// Parse reads filters of the form "key=value". The key ends at the first equals
// sign, so "label!=a=b" has the key "label!" and the value "a=b". Nothing is
// trimmed or changed to lower case. Values keep their order; one given twice
// counts once. The error is an [*Error] for the first text that is not of this
// form, has an unknown key, or has no value; what a value means is left to
// [New].
func Parse(keyvals ...string) (Args, error) {
	given := newCollector()
	for _, text := range keyvals {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &Error{Key: text, Err: errForm}
		}
		if err := check(key, value); err != nil {
			return nil, err
		}
		given.add(key, value)
	}
	return given.args, nil
}

// KeyValues returns the filters in the form that [Parse] reads: sorted by key,
// the values of a key in their order.
func (a Args) KeyValues() []string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(a)) {
		for _, value := range a[key] {
			texts = append(texts, key+"="+value)
		}
	}
	return texts
}

// check says what is wrong with the form of the filters, the first by key.
func (a Args) check() error {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if len(a[key]) == 0 {
			return check(key, "")
		}
		for _, value := range a[key] {
			if err := check(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// check says what is wrong with the form of one filter.
func check(key, value string) error {
	switch {
	case key == "":
		return &Error{Value: value, Err: errEmptyKey}
	case !slices.Contains(Keys(), key):
		return &Error{Key: key}
	case strings.TrimSpace(value) == "":
		return &Error{Key: key, Value: value, Err: errEmpty}
	case !utf8.ValidString(value): // could not be given in JSON
		return &Error{Key: key, Value: value, Err: errNotUTF8}
	}
	return nil
}

// A collector gathers the values of each key once, in order.
type collector struct {
	args Args
	seen map[[2]string]bool
}

func newCollector() collector {
	return collector{args: Args{}, seen: map[[2]string]bool{}}
}

// add appends the value, unless the key has it.
func (c collector) add(key, value string) {
	if pair := [2]string{key, value}; !c.seen[pair] {
		c.seen[pair] = true
		c.args[key] = append(c.args[key], value)
	}
}
