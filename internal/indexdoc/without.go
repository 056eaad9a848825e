package indexdoc

import (
	"slices"

	"github.com/opencontainers/go-digest"
)

// A Document is an index as it lies in a registry.
type Document struct {
	// Digest is that of Data.
	Digest digest.Digest
	// Data is the index, byte for byte.
	Data []byte
	// Was is the digest that it had before.
	Was digest.Digest
}

// An Error says which document is wrong.
type Error struct {
	// Digest is that of the document.
	Digest digest.Digest
	// Err is what is wrong with it.
	Err error
}

// Error names the document.
func (e *Error) Error() string { return "index " + e.Digest.String() + ": " + e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *Error) Unwrap() error { return e.Err }

// Without returns an index without some of its manifests, wherever in the
// indexes that lie in it they are listed, and what those are then: the outermost
// first, each once, those that stay as they are too. An index that loses its
// last entry goes with it; nothing is returned when that is the outermost. Docs
// are the documents that there are, by digest; what they list and what is not
// among them is a manifest, or lacking.
//
// The error is an [*Error].
func Without(root digest.Digest, docs map[digest.Digest][]byte, manifests []digest.Digest) ([]Document, error) {
	r := rewriting{docs: docs, changes: make(map[digest.Digest]Change), seen: make(map[digest.Digest]bool)}
	for _, dgst := range manifests {
		r.changes[dgst] = Change{}
	}
	if err := r.document(root); err != nil {
		return nil, err
	}
	if change, ok := r.changes[root]; ok && change.Digest == "" {
		return nil, nil
	}
	slices.Reverse(r.done)
	return r.done, nil
}

// A rewriting has what has become of the manifests and indexes so far.
type rewriting struct {
	docs    map[digest.Digest][]byte
	changes map[digest.Digest]Change
	seen    map[digest.Digest]bool
	done    []Document
}

// document rewrites an index after those that lie in it.
func (r *rewriting) document(dgst digest.Digest) error {
	r.seen[dgst] = true
	doc := r.docs[dgst]
	entries, err := Entries(doc)
	if err != nil {
		return &Error{dgst, err}
	}
	left := 0
	for _, entry := range entries {
		if _, nested := r.docs[entry]; nested && !r.seen[entry] {
			if err := r.document(entry); err != nil {
				return err
			}
		}
		if change, ok := r.changes[entry]; !ok || change.Digest != "" {
			left++
		}
	}
	if left == 0 && len(entries) > 0 {
		r.changes[dgst] = Change{}
		return nil
	}
	data, err := Edit(doc, r.changes)
	if err != nil {
		return &Error{dgst, err}
	}
	made := Document{Digest: dgst.Algorithm().FromBytes(data), Data: data, Was: dgst}
	if made.Digest != dgst {
		r.changes[dgst] = Change{Digest: made.Digest, Size: int64(len(data))}
	}
	r.done = append(r.done, made)
	return nil
}
