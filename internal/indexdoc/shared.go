package indexdoc

import (
	"maps"
	"time"
)

// A Shared is what the images of an index say together, as docs/semantics.md has it
// for rule P4.
type Shared struct {
	// Created is when the index was made, as it says itself; else when the newest of
	// its images was. Zero when none of them says so.
	Created time.Time
	// Labels are those that all have, with the same value; nil when there are none.
	Labels map[string]string

	dated bool // by the index itself
	begun bool // an image was added
}

// NewShared begins with the time by which the index is annotated, or zero.
func NewShared(annotated time.Time) *Shared {
	return &Shared{Created: annotated, dated: !annotated.IsZero()}
}

// Add takes in what the configuration of an image says. One that is for the
// operating system "unknown" is an attestation, which does not count.
func (s *Shared) Add(os string, created time.Time, labels map[string]string) {
	if os == "unknown" {
		return
	}
	if !s.dated && created.After(s.Created) {
		s.Created = created
	}
	if !s.begun {
		s.Labels = maps.Clone(labels)
	}
	s.begun = true
	maps.DeleteFunc(s.Labels, func(key, value string) bool {
		other, ok := labels[key]
		return !ok || other != value
	})
	if len(s.Labels) == 0 {
		s.Labels = nil
	}
}
