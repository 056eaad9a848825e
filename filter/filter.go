package filter

import (
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/imagestore"
)

// A Filter is filters that have been checked and are ready to be asked (rule
// P4). The zero value lets every image pass. It does not change, and is safe
// for concurrent use.
type Filter struct {
	dangling *bool
	required []label
	excluded []label
	until    *time.Time
	patterns []Pattern
	before   string
	since    string
	ids      []string
	orphaned *bool
}

// New checks every key and value, and returns the filter that they make. No args
// let every image pass. Durations are counted back from now, and times without
// a zone are in its zone: usually now is [time.Now], which is in local time.
//
// The error is an [*Error], of class InvalidArgument, that names the first
// filter that is unknown, empty or not understood, that is a second value of a
// key which takes one, or with which no image could pass.
func New(args Args, now time.Time) (*Filter, error) {
	if err := args.check(); err != nil {
		return nil, err
	}
	f := &Filter{}
	for _, read := range []func(Args, time.Time) error{
		f.readDangling, f.readLabels, f.readUntil, f.readPatterns, f.readAges, f.readIDs, f.readOrphaned,
	} {
		if err := read(args, now); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Dangling returns the value of "dangling", and whether one is given. The
// caller decides: whether an image is dangling is for the store to say.
func (f *Filter) Dangling() (want, given bool) {
	if f.dangling == nil {
		return false, false
	}
	return *f.dangling, true
}

// Orphaned returns the value of "orphaned", and whether one is given. The caller
// decides: whether what an image is about is missing is for the store to say
// (rule S4).
func (f *Filter) Orphaned() (want, given bool) {
	if f.orphaned == nil {
		return false, false
	}
	return *f.orphaned, true
}

// Before returns the value of "before" as given, empty when there is none. The
// caller finds the image that it names and compares the times of creation.
func (f *Filter) Before() string { return f.before }

// Since returns the value of "since" as given, empty when there is none. The
// caller finds the image that it names and compares the times of creation.
func (f *Filter) Since() string { return f.since }

// IDs returns the values of "id" as given, in order: image IDs or beginnings of
// them, of at least 4 hex digits, with or without the algorithm. Match decides
// by them; a caller may look the images up instead of scanning.
func (f *Filter) IDs() []string { return slices.Clone(f.ids) }

// Match reports whether an image with these references passes all keys that
// are for the filter to decide. When it does not, failedKey is the first that
// it fails, in the order of [Filter.MatchRecord] and [Filter.MatchReferences].
func (f *Filter) Match(img imagestore.Image, refs []reference.Named) (ok bool, failedKey string) {
	if ok, failedKey := f.MatchRecord(img); !ok {
		return false, failedKey
	}
	if !f.MatchReferences(refs) {
		return false, Reference
	}
	return true, ""
}

// MatchRecord reports whether an image passes the keys "id", "label", "label!"
// and "until", which are asked in this order. When it does not, failedKey is
// the first that it fails; otherwise it is empty. What an image does not have
// fails "label" and "until", and passes "label!".
func (f *Filter) MatchRecord(img imagestore.Image) (ok bool, failedKey string) {
	switch {
	case !f.fitsID(img.ID):
		return false, ID
	case slices.ContainsFunc(f.required, func(l label) bool { return !l.fits(img.Labels) }):
		return false, Label
	case slices.ContainsFunc(f.excluded, func(l label) bool { return l.fits(img.Labels) }):
		return false, NotLabel
	case f.until != nil && (img.Created.IsZero() || !img.Created.Before(*f.until)):
		return false, Until
	}
	return true, ""
}

// MatchReferences reports whether one of the references of an image fits one of
// the values of "reference". Without that key every image passes.
func (f *Filter) MatchReferences(refs []reference.Named) bool {
	return len(f.patterns) == 0 || slices.ContainsFunc(f.patterns, func(p Pattern) bool {
		return slices.ContainsFunc(refs, p.Match)
	})
}

// fitsID reports whether one of the values of "id" fits.
func (f *Filter) fitsID(id digest.Digest) bool {
	if len(f.ids) == 0 {
		return true
	}
	return slices.ContainsFunc(f.ids, func(prefix string) bool { return imagestore.HasPrefix(id, prefix) })
}

func (f *Filter) readDangling(args Args, _ time.Time) (err error) {
	f.dangling, err = readBool(args, Dangling)
	return err
}

func (f *Filter) readOrphaned(args Args, _ time.Time) (err error) {
	f.orphaned, err = readBool(args, Orphaned)
	return err
}

// readBool returns the value of a key that is true or false; nil when there is
// none.
func readBool(args Args, key string) (*bool, error) {
	var value *bool
	for _, text := range args[key] {
		want := text == "true" || text == "1"
		if !want && text != "false" && text != "0" {
			return nil, &Error{Key: key, Value: text, Err: errNotBool}
		}
		if value != nil && *value != want {
			return nil, contradiction(key, text, key, args[key][0])
		}
		value = &want
	}
	return value, nil
}

func (f *Filter) readLabels(args Args, _ time.Time) (err error) {
	if f.required, err = parseLabels(Label, args[Label]); err != nil {
		return err
	}
	if f.excluded, err = parseLabels(NotLabel, args[NotLabel]); err != nil {
		return err
	}
	return contradictoryLabels(f.required, f.excluded)
}

func (f *Filter) readUntil(args Args, now time.Time) error {
	text, err := single(args, Until)
	if err != nil || text == "" {
		return err
	}
	t, err := parseTime(text, now)
	if err != nil {
		return &Error{Key: Until, Value: text, Err: err}
	}
	f.until = &t
	return nil
}

func (f *Filter) readPatterns(args Args, _ time.Time) error {
	for _, text := range args[Reference] {
		if err := checkPattern(text); err != nil {
			return &Error{Key: Reference, Value: text, Err: err}
		}
		f.patterns = append(f.patterns, Pattern{text})
	}
	return nil
}

func (f *Filter) readAges(args Args, _ time.Time) (err error) {
	if f.before, err = single(args, Before); err != nil {
		return err
	}
	if f.since, err = single(args, Since); err != nil {
		return err
	}
	if f.before != "" && f.before == f.since {
		return contradiction(Since, f.since, Before, f.before)
	}
	return nil
}

func (f *Filter) readIDs(args Args, _ time.Time) error {
	for _, text := range args[ID] {
		if !isID(text) {
			return &Error{Key: ID, Value: text, Err: errID}
		}
		f.ids = append(f.ids, text)
	}
	return nil
}

// single returns the value of a key that takes one; empty when there is none.
func single(args Args, key string) (string, error) {
	values := args[key]
	if len(values) == 0 {
		return "", nil
	}
	for _, other := range values[1:] {
		if other != values[0] {
			return "", &Error{Key: key, Value: other, Err: errors.Errorf("more than one %s filter specified", key)}
		}
	}
	return values[0], nil
}

// isID reports whether an image ID can begin with text: at least 4 lower-case
// hex digits (rule R3), no more than the algorithm has, which may precede them.
func isID(text string) bool {
	longest := 2 * digest.SHA512.Size()
	algorithm, hex, ok := strings.Cut(text, ":")
	if ok {
		longest = 2 * digest.Algorithm(algorithm).Size() // none for an unknown one
	} else {
		hex = text
	}
	return len(hex) >= 4 && len(hex) <= longest && strings.Trim(hex, "0123456789abcdef") == ""
}
