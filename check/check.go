// Package check has the words in which a store says what is wrong with it: the
// C rules. The stores look and repair; see kvstore.Check and
// diskstore.Store.Check.
package check

import (
	"cmp"
	"slices"
	"strings"
)

// A Kind says what sort of damage a [Finding] is about. Its text is for users
// and for programs alike, and does not change.
type Kind string

// The kinds of findings.
const (
	// UnknownKey is a key that no version of the store writes.
	UnknownKey Kind = "unknown key"
	// UnreadableRecord is a record that does not decode, whose checksum is wrong,
	// or that contradicts its own key.
	UnreadableRecord Kind = "unreadable record"
	// MissingRecord is a record that another one needs and that is not there.
	MissingRecord Kind = "missing record"
	// MissingEntry is an entry by which something should be found and is not.
	MissingEntry Kind = "missing entry"
	// StrayEntry is an entry that leads to nothing that knows of it.
	StrayEntry Kind = "stray entry"
	// WrongCount is a number of holders that differs from a recount.
	WrongCount Kind = "wrong count"
	// WrongSize is a recorded number of bytes that differs from the content.
	WrongSize Kind = "wrong size"
	// Unheld is a layer or content that nothing holds.
	Unheld Kind = "held by nothing"
	// NoImage is a reference to an image that is not there, or a lease on one.
	NoImage Kind = "no such image"
	// BrokenParent is a parent that is not there, or an image that is its own
	// ancestor.
	BrokenParent Kind = "broken parent link"
	// TakenName is a name that two containers have, or two images of a layout.
	TakenName Kind = "name taken twice"
	// UnusableName is a name of an image that is no reference.
	UnusableName Kind = "unusable name"
	// UnknownSort is content of which nobody here knows what else it needs.
	UnknownSort Kind = "unknown sort"
	// StrayMark is a mark of garbage on what is none.
	StrayMark Kind = "stray mark of garbage"
	// IncompleteImage is an image of which a record or content is lost.
	IncompleteImage Kind = "incomplete image"
	// MissingContent is content whose bytes are not there.
	MissingContent Kind = "missing content"
	// AlteredContent is content whose bytes are not what its digest says.
	AlteredContent Kind = "altered content"
	// InaccessibleContent is content whose bytes the system does not let read.
	InaccessibleContent Kind = "inaccessible content"
	// StrayFile is a file that nothing knows of.
	StrayFile Kind = "stray file"
)

// A Finding is one thing that is wrong with a store.
type Finding struct {
	// Kind is the sort of damage.
	Kind Kind
	// Key is the key of the record, or empty. It may hold any bytes.
	Key string
	// Path is the file, or empty.
	Path string
	// Problem says in words what is wrong and what that means.
	Problem string
	// Repair says what a repair does about it, or what the user can do.
	Repair string
	// Images are the images that it concerns, sorted: the familiar form of their
	// references, or the ID of one that has none. Nil for none.
	Images []string
	// Repaired says that it has been repaired.
	Repaired bool
}

// Where is the key or the path.
func (f Finding) Where() string { return cmp.Or(f.Key, f.Path) }

// String is the finding on one line, whatever bytes its key has.
func (f Finding) String() string {
	text := string(f.Kind) + ": " + printable(f.Where()) + ": " + f.Problem
	if len(f.Images) > 0 {
		text += " (" + strings.Join(f.Images, ", ") + ")"
	}
	verb := "repair"
	if f.Repaired {
		verb = "repaired"
	}
	return text + "; " + verb + ": " + f.Repair
}

// Sort puts findings in the order in which they are reported: by key or path,
// then by kind, then by what they say (rule C2).
func Sort(findings []Finding) {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.Where(), b.Where()),
			strings.Compare(string(a.Kind), string(b.Kind)),
			strings.Compare(a.Problem, b.Problem),
		)
	})
}

// Left returns the findings that have not been repaired.
func Left(findings []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Repaired })
}
