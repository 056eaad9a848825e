package jettison

import (
	"slices"

	"github.com/distribution/reference"
)

// isSingle reports whether an image with these references has a single
// reference in the sense of the rules: one in all; or at most one tag, and
// every digest reference in that tag's repository; or only digest references
// of one repository. None is not single.
func isSingle(refs []reference.Named) bool {
	if len(refs) == 0 {
		return false
	}
	tags := 0
	for _, ref := range refs {
		if ref.Name() != refs[0].Name() {
			return false
		}
		if isTag(ref) {
			tags++
		}
	}
	return tags <= 1
}

// isTag reports whether ref is a tag reference, not a digest reference.
func isTag(ref reference.Named) bool {
	_, canonical := ref.(reference.Canonical)
	return !canonical
}

// hasTagOf reports whether a tag of ref's repository is among refs.
func hasTagOf(ref reference.Named, refs []reference.Named) bool {
	return slices.ContainsFunc(refs, func(r reference.Named) bool { return isTag(r) && r.Name() == ref.Name() })
}

// digestsOf returns the digest references of ref's repository among refs.
func digestsOf(ref reference.Named, refs []reference.Named) []reference.Named {
	var found []reference.Named
	for _, r := range refs {
		if !isTag(r) && r.Name() == ref.Name() {
			found = append(found, r)
		}
	}
	return found
}

// without returns refs without ref.
func without(refs []reference.Named, ref reference.Named) []reference.Named {
	return slices.DeleteFunc(slices.Clone(refs), func(r reference.Named) bool { return r.String() == ref.String() })
}
