package refstore

import (
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
)

// A normal is the full string of a normalized reference with a tag or with a
// digest. It is what references are compared and stored by.
type normal string

// normalize returns the normal form of a reference. One that lacks a domain is
// parsed anew; the others, which are nearly all, are only put together.
func normalize(ref reference.Named) (normal, error) {
	if ref == nil {
		return "", class.Errorf(class.InvalidArgument, "no reference")
	}
	name := ref.Name()
	if !isNormalName(name) {
		var err error
		if name, err = normalName(name); err != nil {
			return "", err
		}
	}
	switch ref := ref.(type) {
	case reference.Canonical:
		return normal(name + "@" + ref.Digest().String()), nil
	case reference.Tagged:
		return normal(name + ":" + ref.Tag()), nil
	default:
		return normal(name + ":latest"), nil
	}
}

func normalName(name string) (string, error) {
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", class.Wrap(class.InvalidArgument, err)
	}
	return parsed.Name(), nil
}

// isNormalName reports whether a name surely is in full form: its domain cannot
// be taken for the beginning of a path. False only costs time.
func isNormalName(name string) bool {
	domain, path, ok := strings.Cut(name, "/")
	switch {
	case !ok || domain == "index.docker.io":
		return false
	case domain == "docker.io":
		return strings.Contains(path, "/")
	default:
		return domain == "localhost" || strings.ContainsAny(domain, ".:")
	}
}

// repository is the name, without the tag or the digest.
func (n normal) repository() normal {
	if name, _, ok := strings.Cut(string(n), "@"); ok {
		return normal(name)
	}
	return n[:strings.LastIndexByte(string(n), ':')]
}

// familiar is the short form that users see.
func (n normal) familiar() string {
	named, err := reference.ParseNormalizedNamed(string(n))
	if err != nil {
		return string(n)
	}
	return reference.FamiliarString(named)
}

// A parser turns stored references back. It remembers the repository that it
// saw last: references come sorted, and a name takes longer to check than a tag.
type parser struct {
	name string
	repo reference.Named
}

// parse returns the reference that begins at an offset in key.
func (p *parser) parse(key []byte, offset int) (reference.Named, error) {
	ref, err := p.parseNormal(normal(key[offset:]))
	if err != nil {
		return nil, record.Damaged(key, err.Error())
	}
	return ref, nil
}

func (p *parser) parseNormal(n normal) (reference.Named, error) {
	name := string(n)
	if name, dgst, ok := strings.Cut(name, "@"); ok {
		repo, err := p.repository(name)
		if err != nil {
			return nil, err
		}
		return reference.WithDigest(repo, digest.Digest(dgst))
	}
	colon := strings.LastIndexByte(name, ':')
	if colon < 0 {
		return nil, reference.ErrReferenceInvalidFormat
	}
	repo, err := p.repository(name[:colon])
	if err != nil {
		return nil, err
	}
	return reference.WithTag(repo, name[colon+1:])
}

func (p *parser) repository(name string) (reference.Named, error) {
	if name == p.name && p.repo != nil {
		return p.repo, nil
	}
	repo, ok := plainRepository(name)
	if !ok {
		var err error
		if repo, err = reference.WithName(name); err != nil {
			return nil, err
		}
	}
	p.name, p.repo = name, repo
	return repo, nil
}
