package refstore

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/internal/audit"
	"github.com/jettison-oci/jettison/kv"
)

// Audit looks at all that r has of references, for kvstore.Check and
// kvstore.Repair, and tells a what is wrong with it and what makes it sound
// (rules C1 and C4). Which images are left must be known.
//
// A reference is written twice, and one half can tell the other. The record
// decides where it can be read.
func Audit(ctx context.Context, r kv.Reader, a *audit.Audit) error {
	s := &auditor{
		Audit:    a,
		r:        r,
		names:    make(map[normal]digest.Digest),
		recorded: make(map[normal]bool),
		bad:      make(map[normal]string),
		listed:   make(map[normal][]digest.Digest),
	}
	for _, step := range []func(context.Context) error{s.loadRecords, s.loadLists} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.checkBad()
	s.checkUnlisted()
	s.checkLists()
	if err := s.checkAbout(ctx); err != nil {
		return err
	}
	for name, id := range s.names {
		a.Name(id, name.familiar())
	}
	return nil
}

// An auditor is what an audit knows of references.
type auditor struct {
	*audit.Audit
	r      kv.Reader
	parser parser
	// names has the image of each reference that is sound.
	names map[normal]digest.Digest
	// recorded has the references that have a record of whatever sort.
	recorded map[normal]bool
	// bad has what is wrong with the records that cannot be read.
	bad map[normal]string
	// listed has the images whose lists have the reference, sorted.
	listed map[normal][]digest.Digest
}

// normalAt returns the reference in a key from an offset on, or none.
func (s *auditor) normalAt(key []byte, offset int) (normal, bool) {
	name := normal(key[offset:])
	ref, err := s.parser.parseNormal(name)
	if err != nil {
		return "", false
	}
	same, err := normalize(ref)
	return name, err == nil && same == name
}

func (s *auditor) unknown(key []byte) {
	s.Found(check.Finding{
		Kind: check.UnknownKey, Key: string(key),
		Problem: "there is no reference where there should be one, so it means nothing",
		Repair:  "the entry is removed",
	})
	s.Remove(key)
}

// loadRecords reads which image each reference names.
func (s *auditor) loadRecords(ctx context.Context) error {
	for entry, err := range s.r.Scan(ctx, []byte(refPrefix)) {
		if err != nil {
			return err
		}
		name, ok := s.normalAt(entry.Key, len(refPrefix))
		if !ok {
			s.unknown(entry.Key)
			continue
		}
		s.recorded[name] = true
		id, err := decode(entry.Key, entry.Value)
		if err == nil && id.Validate() != nil {
			s.bad[name] = "it names no image"
		} else if err != nil {
			s.bad[name] = audit.Problem(err)
		} else {
			s.checkRecord(entry.Key, name, id)
		}
	}
	return nil
}

// checkRecord removes a reference whose image is not there, and remembers the
// others.
func (s *auditor) checkRecord(key []byte, name normal, id digest.Digest) {
	if s.Images[id] {
		s.names[name] = id
		return
	}
	s.Remove(key)
	if s.Gone[id] {
		s.Name(id, name.familiar())
		return
	}
	s.Found(check.Finding{
		Kind: check.NoImage, Key: string(key),
		Problem: "the reference names an image that is not there: " + id.String(),
		Repair:  "the reference is removed; load the image again",
	})
}

// loadLists reads the lists of the references of each image.
func (s *auditor) loadLists(ctx context.Context) error {
	for entry, err := range s.r.Scan(ctx, []byte(idPrefix)) {
		if err != nil {
			return err
		}
		id, rest, _ := bytes.Cut(entry.Key[len(idPrefix):], []byte("/"))
		name, ok := s.normalAt(entry.Key, len(entry.Key)-len(rest))
		if !ok || digest.Digest(id).Validate() != nil {
			s.unknown(entry.Key)
			continue
		}
		s.listed[name] = append(s.listed[name], digest.Digest(id))
	}
	return nil
}

// checkBad makes the records that cannot be read again, if one image alone
// lists the reference.
func (s *auditor) checkBad() {
	for name, problem := range s.bad {
		key := refKey(name)
		finding := check.Finding{Kind: check.UnreadableRecord, Key: string(key), Problem: problem}
		id := s.lister(name)
		if id == "" {
			finding.Repair = "the reference is removed; tag the image again"
			s.Remove(key)
			s.Found(finding)
			continue
		}
		finding.Repair = "it is made again from the list of the references of its image"
		s.names[name] = id
		s.Put(key, encode(key, id))
		s.Found(finding, id)
	}
}

// lister is the only image that is there and lists the reference, or none.
func (s *auditor) lister(name normal) digest.Digest {
	var found digest.Digest
	for _, id := range s.listed[name] {
		if !s.Images[id] {
			continue
		}
		if found != "" {
			return ""
		}
		found = id
	}
	return found
}

// checkUnlisted makes the records that are missing, if one image alone lists
// the reference, and the entries of the lists that are missing.
func (s *auditor) checkUnlisted() {
	for name := range s.listed {
		if id := s.lister(name); id != "" && !s.recorded[name] {
			key := refKey(name)
			s.names[name] = id
			s.Put(key, encode(key, id))
			s.Found(check.Finding{
				Kind: check.MissingRecord, Key: string(key),
				Problem: "it is not there, but an image lists the reference",
				Repair:  "it is made again from that list",
			}, id)
		}
	}
	for name, id := range s.names {
		if !slices.Contains(s.listed[name], id) {
			key := idKey(id, name)
			s.Put(key, nil)
			s.Found(check.Finding{
				Kind: check.MissingEntry, Key: string(key),
				Problem: "the image does not list this reference, so it would be deleted without it",
				Repair:  "the entry is written",
			}, id)
		}
	}
}

// checkLists removes the entries of references that name another image or
// none. They are damage unless their image goes.
func (s *auditor) checkLists() {
	for _, name := range slices.Sorted(maps.Keys(s.listed)) {
		for _, id := range s.listed[name] {
			if s.names[name] == id {
				continue
			}
			key := idKey(id, name)
			s.Remove(key)
			if s.Gone[id] {
				continue
			}
			s.Found(check.Finding{
				Kind: check.StrayEntry, Key: string(key),
				Problem: "it lists a reference that does not name this image",
				Repair:  "the entry is removed",
			})
		}
	}
}

// checkAbout makes the entries of tags that say what their image is about agree
// with the references.
func (s *auditor) checkAbout(ctx context.Context) error {
	wanted := make(map[string]digest.Digest)
	for name, id := range s.names {
		if subject, ok := name.subject(); ok {
			wanted[string(aboutKey(subject, name))] = id
		}
	}
	for entry, err := range s.r.Scan(ctx, []byte(aboutPrefix)) {
		if err != nil {
			return err
		}
		if _, ok := wanted[string(entry.Key)]; ok {
			delete(wanted, string(entry.Key))
			continue
		}
		s.Remove(entry.Key)
		_, rest, _ := bytes.Cut(entry.Key[len(aboutPrefix):], []byte("/"))
		if s.recorded[normal(rest)] {
			continue // it goes with its reference
		}
		s.Found(check.Finding{
			Kind: check.StrayEntry, Key: string(entry.Key),
			Problem: "it stands for a tag that is not there", Repair: "the entry is removed",
		})
	}
	for key, id := range wanted {
		s.Put([]byte(key), nil)
		s.Found(check.Finding{
			Kind: check.MissingEntry, Key: key,
			Problem: "what the image is about is not found by this tag, so that it would be left behind",
			Repair:  "the entry is written",
		}, id)
	}
	return nil
}

// Prefixes returns how the keys of this package begin.
func Prefixes() []string { return []string{refPrefix, idPrefix, aboutPrefix} }
