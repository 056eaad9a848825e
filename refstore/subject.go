package refstore

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// subjectTag is a tag of the referrers tag schema (OCI distribution
// specification, "Referrers Tag Schema"), perhaps with one of cosign's endings.
var subjectTag = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64}(?:[0-9a-f]{64})?)(?:\.(?:sig|att|sbom))?$`)

// SubjectOf returns the digest of the manifest or index that the image with this
// tag is about, if the tag is one of the referrers tag schema: "sha256-", the
// digits, and nothing or ".sig", ".att" or ".sbom" (rule S5). Otherwise, and
// for a digest reference, ok is false.
func SubjectOf(ref reference.Named) (subject digest.Digest, ok bool) {
	if _, canonical := ref.(reference.Canonical); canonical {
		return "", false
	}
	tagged, ok := ref.(reference.Tagged)
	if !ok {
		return "", false
	}
	return subjectOfTag(tagged.Tag())
}

func subjectOfTag(tag string) (digest.Digest, bool) {
	if !strings.HasPrefix(tag, "sha") { // nearly all, without the expression
		return "", false
	}
	found := subjectTag.FindStringSubmatch(tag)
	if found == nil {
		return "", false
	}
	subject := digest.NewDigestFromEncoded(digest.Algorithm(found[1]), found[2])
	return subject, subject.Validate() == nil
}

// subject is SubjectOf for a reference in normal form.
func (n normal) subject() (digest.Digest, bool) {
	text := string(n)
	at := strings.LastIndexAny(text, ":/")
	if strings.Contains(text, "@") || at < 0 || text[at] != ':' {
		return "", false
	}
	return subjectOfTag(text[at+1:])
}

// NoneAbout reports whether there is no tag of the referrers tag schema, so that
// nobody need ask.
func (s *Store) NoneAbout(ctx context.Context) (bool, error) { return s.about.Empty(ctx) }

// ImagesAbout returns the IDs of the images that a tag of the referrers tag
// schema says are about this manifest or index, sorted; none when there are
// none.
func (s *Store) ImagesAbout(ctx context.Context, subject digest.Digest) ([]digest.Digest, error) {
	if none, err := s.about.Empty(ctx); none || err != nil {
		return nil, err
	}
	start := aboutKey(subject, "")
	var names []normal
	for entry, err := range s.r.Scan(ctx, start) {
		if err != nil {
			return nil, err
		}
		names = append(names, normal(entry.Key[len(start):]))
	}
	var ids []digest.Digest
	for _, name := range names {
		id, err := s.get(ctx, name)
		if errors.Is(err, class.NotFound) {
			continue // an older program deleted it
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Move makes all references to an image name another one, those with a digest
// too: the image took the place of the first (rule M2). Having none is no error.
func (s *Store) Move(ctx context.Context, from, to digest.Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	refs, err := s.References(ctx, from)
	if err != nil || from == to {
		return err
	}
	for _, ref := range refs {
		name, err := normalize(ref)
		if err != nil {
			return err
		}
		if err := s.tx.Delete(ctx, idKey(from, name)); err != nil {
			return err
		}
		if err := s.put(ctx, name, to); err != nil {
			return err
		}
	}
	return nil
}
