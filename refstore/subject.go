package refstore

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
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
