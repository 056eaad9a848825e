// Package audit is what the packages of a store share while they look for
// damage: what each has found, what each would change, and which images are
// left. Each package looks at its own keys.
package audit

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
	"github.com/jettison-oci/jettison/internal/record"
)

// An Audit is one look at a store. The images come first: what else there is
// depends on which of them are left.
type Audit struct {
	// Open opens the bytes of content; nil where nobody keeps them.
	Open func(context.Context, digest.Digest) (io.ReadCloser, error)
	// Damaged are findings about the bytes of content.
	Damaged map[digest.Digest]check.Finding
	// Sizes are the true sizes of content where they are known to differ from
	// the records.
	Sizes map[digest.Digest]int64
	// Drop says that what needs damaged content goes.
	Drop bool

	// Images are those that are there and stay.
	Images map[digest.Digest]bool
	// Gone are those that are there and go.
	Gone map[digest.Digest]bool

	found   []found
	changes map[string][]byte
	names   map[digest.Digest][]string
}

// found is a finding that may concern images.
type found struct {
	check.Finding
	images []digest.Digest
	// stays says that the changes do not repair it.
	stays bool
}

// New returns an audit that has found nothing.
func New() *Audit {
	return &Audit{
		Images:  make(map[digest.Digest]bool),
		Gone:    make(map[digest.Digest]bool),
		changes: make(map[string][]byte),
		names:   make(map[digest.Digest][]string),
	}
}

// Lost reports whether damage has what needs the content go.
func (a *Audit) Lost(content digest.Digest) bool {
	f, damaged := a.Damaged[content]
	return damaged && a.Drop && f.Kind != check.InaccessibleContent
}

// Found adds a finding that the changes repair, and the images that it
// concerns.
func (a *Audit) Found(f check.Finding, images ...digest.Digest) {
	a.add(found{Finding: f, images: images})
}

// FoundToStay adds a finding that the changes do not repair.
func (a *Audit) FoundToStay(f check.Finding, images ...digest.Digest) {
	a.add(found{Finding: f, images: images, stays: true})
}

func (a *Audit) add(f found) {
	a.found = append(a.found, f)
	for _, id := range f.images {
		if _, ok := a.names[id]; !ok {
			a.names[id] = nil
		}
	}
}

// Name tells that an image has a reference, of which its findings speak.
func (a *Audit) Name(id digest.Digest, name string) {
	if names, concerned := a.names[id]; concerned {
		a.names[id] = append(names, name)
	}
}

// Put has the value written under the key; nil is the empty one.
func (a *Audit) Put(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	a.changes[string(key)] = value
}

// Remove has the key removed.
func (a *Audit) Remove(key []byte) { a.changes[string(key)] = nil }

// Keys returns the keys that are to change, sorted.
func (a *Audit) Keys() []string { return slices.Sorted(maps.Keys(a.changes)) }

// Value returns the value that is to be written under the key, or nil if the
// key is to be removed.
func (a *Audit) Value(key string) []byte { return a.changes[key] }

// Findings returns all that was found, sorted, as it is before a repair. Those
// about one image share its names, which may be many.
func (a *Audit) Findings() []check.Finding {
	all := make([]check.Finding, len(a.found))
	shared := make(map[digest.Digest][]string)
	for i, f := range a.found {
		all[i] = f.Finding
		if len(f.images) != 1 {
			all[i].Images = a.namesOf(f.images)
			continue
		}
		id := f.images[0]
		if shared[id] == nil {
			shared[id] = slices.Clip(a.namesOf(f.images))
		}
		all[i].Images = shared[id]
	}
	check.Sort(all)
	return all
}

// Repaired is Findings as they are once the changes are made.
func (a *Audit) Repaired() []check.Finding {
	for i, f := range a.found {
		a.found[i].Repaired = !f.stays
	}
	return a.Findings()
}

func (a *Audit) namesOf(images []digest.Digest) []string {
	var names []string
	for _, id := range images {
		if of := a.names[id]; len(of) > 0 {
			names = append(names, of...)
		} else {
			names = append(names, id.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Problem says what is wrong with a record by its error, or nothing if that is
// nil.
func Problem(err error) string {
	var damage *record.DamageError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &damage):
		return damage.What
	}
	text := err.Error()
	if _, what, ok := strings.Cut(text, `": `); ok { // the key is told already
		return what
	}
	return text
}

// Size returns the number of bytes of the content, if they are there and are
// what the digest says.
func (a *Audit) Size(ctx context.Context, content digest.Digest) (size int64, sound bool, err error) {
	err = a.read(ctx, content, func(r io.Reader) error {
		verifier := content.Verifier()
		size, err = io.Copy(verifier, r)
		sound = verifier.Verified()
		return err
	})
	return size, sound, err
}

// maxBytes is more than any configuration or manifest of an image has.
const maxBytes = 16 << 20

// Bytes returns the content if it is there, is what the digest says, and can be
// the configuration or the manifest of an image; else nil.
func (a *Audit) Bytes(ctx context.Context, content digest.Digest) (data []byte, err error) {
	err = a.read(ctx, content, func(r io.Reader) error {
		data, err = io.ReadAll(io.LimitReader(r, maxBytes))
		if content.Algorithm().FromBytes(data) != content {
			data = nil
		}
		return err
	})
	return data, err
}

// read has fn read the content, if it is there.
func (a *Audit) read(ctx context.Context, content digest.Digest, fn func(io.Reader) error) error {
	if a.Open == nil || content.Validate() != nil {
		return nil
	}
	r, err := a.Open(ctx, content)
	switch {
	case errors.Is(err, class.NotFound):
		return nil
	case err != nil:
		return err
	}
	defer r.Close() //nolint:errcheck // nothing was written
	return class.Wrap(class.Unavailable, fn(readers.Until(ctx, r)))
}
