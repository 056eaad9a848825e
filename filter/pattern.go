package filter

import (
	"path"
	"strings"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/internal/class"
)

// A Pattern fits references, by the rules of [path.Match]: a star does not match
// a slash. The zero value fits none. Patterns can be compared, and used
// concurrently.
type Pattern struct {
	text string
}

// NewPattern reads a pattern. The error is of class InvalidArgument for an empty
// one and one that [path.Match] does not understand.
func NewPattern(text string) (Pattern, error) {
	err := checkPattern(text)
	if err != nil {
		return Pattern{}, class.Errorf(class.InvalidArgument, "invalid pattern '%s': %w", text, err)
	}
	return Pattern{text}, nil
}

// checkPattern says what is wrong with a pattern.
func checkPattern(text string) error {
	if strings.TrimSpace(text) == "" {
		return errEmpty
	}
	_, err := path.Match(text, "")
	return err
}

// Match reports whether the pattern fits ref, with or without its tag or digest,
// in its familiar or in its full form: app:1.0, app, docker.io/library/app:1.0
// or docker.io/library/app.
func (p Pattern) Match(ref reference.Named) bool {
	if familiar, _ := reference.FamiliarMatch(p.text, ref); familiar {
		return true
	}
	return p.fits(ref.String()) || p.fits(ref.Name())
}

// fits reports whether the pattern matches the whole of name.
func (p Pattern) fits(name string) bool {
	ok, err := path.Match(p.text, name)
	return ok && err == nil
}

// String returns the pattern as given.
func (p Pattern) String() string { return p.text }
