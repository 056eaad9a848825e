// Package storecheck is the judge of what tests do to a store: whatever
// happened to it, its records must fit together, and its files must be those
// that they name. It knows nothing of how a store gets there, counts all by
// itself, and is no part of the product.
package storecheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// A Report is what a store holds and what is wrong with it.
type Report struct {
	// Problems says what is wrong, sorted; it is nil for a sound store.
	Problems []string
	// Records are all keys and their values, but for the marks of garbage. They
	// are equal for equal states, when the times in them are.
	Records map[string]string
	// Marks is the content that is marked as garbage, sorted. It is not wrong:
	// an open store has some.
	Marks []digest.Digest

	sizes map[digest.Digest]int64 // of the content that is held
}

// Records looks at the records of a store.
func Records(ctx context.Context, db kv.DB) (*Report, error) {
	j := &judge{
		keys:      make(map[string]string),
		index:     make(map[string]string),
		layers:    make(map[digest.Digest]int),
		contents:  make(map[digest.Digest]int),
		documents: make(map[digest.Digest][]digest.Digest),
		lists:     make(map[digest.Digest][]ocispec.Descriptor),
		report:    &Report{Records: make(map[string]string), sizes: make(map[digest.Digest]int64)},
	}
	// The two views see the same state, for nobody changes it.
	if err := db.View(ctx, func(r kv.Reader) error { return j.readKeys(ctx, r) }); err != nil {
		return nil, err
	}
	store, err := kvstore.New(ctx, db, &kvstore.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if err := store.Read(ctx, func(tx *kvstore.Tx) error { return j.readRecords(ctx, tx) }); err != nil {
		return nil, err
	}
	j.compareIndexes()
	slices.Sort(j.report.Problems)
	return j.report, nil
}

// A judge collects what records say, to hold it against each other.
type judge struct {
	keys map[string]string // of the store
	// index is what the keys of indexes must be by the records.
	index map[string]string
	// layers and contents count who holds them by the records.
	layers, contents map[digest.Digest]int
	// documents are those of each index, and lists what each of them lists.
	documents map[digest.Digest][]digest.Digest
	lists     map[digest.Digest][]ocispec.Descriptor
	report    *Report
}

func (j *judge) problem(format string, args ...any) {
	j.report.Problems = append(j.report.Problems, fmt.Sprintf(format, args...))
}

// found are the kinds of keys by which records are found.
func found() []string {
	return []string{"child", "idref", "name", "use", "manifest", "subject", "about"}
}

// readKeys reads all keys and sorts out those of an unknown kind.
func (j *judge) readKeys(ctx context.Context, r kv.Reader) error {
	known := append([]string{"image", "layer", "content", "garbage", "ref", "container", "lease", "meta", "index"}, found()...)
	for entry, err := range r.Scan(ctx, nil) {
		if err != nil {
			return err
		}
		key := string(entry.Key)
		kind, rest, _ := strings.Cut(key, "/")
		switch {
		case !slices.Contains(known, kind):
			j.problem("key %q is of an unknown kind", key)
		case kind == "garbage":
			j.report.Marks = append(j.report.Marks, digest.Digest(rest))
			continue
		}
		j.keys[key] = string(entry.Value)
	}
	j.report.Records = j.keys
	return nil
}

// compareIndexes makes sure that the keys by which records are found are those
// that the records say, no more and no fewer.
func (j *judge) compareIndexes() {
	for key, value := range j.index {
		if got, found := j.keys[key]; !found || got != value {
			j.problem("index key %q has value %q (found: %t), want %q", key, got, found, value)
		}
	}
	for key := range j.keys {
		kind, _, _ := strings.Cut(key, "/")
		_, wanted := j.index[key]
		if slices.Contains(found(), kind) && !wanted {
			j.problem("index key %q belongs to no record", key)
		}
	}
}

// needImage makes sure that an image which something names is there.
func (j *judge) needImage(id digest.Digest, by string) {
	if _, found := j.keys["image/"+id.String()]; !found {
		j.problem("%s names image %s, which is missing", by, id)
	}
}
