package refstore

import (
	"strings"

	"github.com/distribution/reference"
)

// A plain is a repository whose name is made of the commonest characters alone.
type plain struct{ domain, path string }

// plainRepository returns the repository with this name, if it can be told in
// one look that it is one: the expressions of package reference, which decide
// about the others, take longer than finding the reference. Names that they
// would refuse are never plain.
func plainRepository(name string) (reference.Named, bool) {
	domain, path, ok := strings.Cut(name, "/")
	if !ok || len(path) > reference.RepositoryNameTotalLengthMax || !isPlain(domain, ".-") || !isPlain(path, "._-/") {
		return nil, false
	}
	return reference.TrimNamed(plain{domain, path}), true
}

// isPlain reports whether text is of lower-case letters and digits, with at
// most one separator between two of them.
func isPlain(text, separators string) bool {
	letter := false
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			letter = true
		case letter && strings.IndexByte(separators, c) >= 0:
			letter = false
		default:
			return false
		}
	}
	return letter
}

// Name implements [reference.Named].
func (p plain) Name() string { return p.domain + "/" + p.path }

// String implements [reference.Reference].
func (p plain) String() string { return p.Name() }

// Domain is the part before the first slash.
func (p plain) Domain() string { return p.domain }

// Path is the rest.
func (p plain) Path() string { return p.path }
