package imagestore

import (
	"strings"

	"github.com/opencontainers/go-digest"
)

// Where the records lie. Each question is one lookup or one short scan.
const (
	imagePrefix   = "image/"   // image/<id>: record of an image
	childPrefix   = "child/"   // child/<parent>/<child>: empty
	layerPrefix   = "layer/"   // layer/<chainID>: record of a layer
	contentPrefix = "content/" // content/<digest>: size and holders
	garbagePrefix = "garbage/" // garbage/<digest>: empty

	manifestPrefix = "manifest/" // manifest/<digest>/<id>: empty; the image has the manifest or index
	subjectPrefix  = "subject/"  // subject/<digest>/<id>: empty; the image is about it
	indexPrefix    = "index/"    // index/<id>/<digest>: document of an index, or of one in it
)

func imageKey(id digest.Digest) []byte      { return []byte(imagePrefix + id) }
func layerKey(chainID digest.Digest) []byte { return []byte(layerPrefix + chainID) }
func contentKey(dgst digest.Digest) []byte  { return []byte(contentPrefix + dgst) }

// A deletion needs many keys, so a Store builds them all in one buffer: each is
// good until the next one.

func (s *Store) imageKey(id digest.Digest) []byte      { return s.key(imagePrefix, id) }
func (s *Store) layerKey(chainID digest.Digest) []byte { return s.key(layerPrefix, chainID) }
func (s *Store) contentKey(dgst digest.Digest) []byte  { return s.key(contentPrefix, dgst) }
func (s *Store) garbageKey(dgst digest.Digest) []byte  { return s.key(garbagePrefix, dgst) }

func (s *Store) key(prefix string, dgst digest.Digest) []byte {
	s.keyBuffer = append(append(s.keyBuffer[:0], prefix...), dgst...)
	return s.keyBuffer
}

// The keys of pairs; without the second digest, the prefix of those of all.

func childKey(parent, id digest.Digest) []byte      { return pair(childPrefix, parent, id) }
func manifestKey(manifest, id digest.Digest) []byte { return pair(manifestPrefix, manifest, id) }
func subjectKey(subject, id digest.Digest) []byte   { return pair(subjectPrefix, subject, id) }
func indexKey(id, document digest.Digest) []byte    { return pair(indexPrefix, id, document) }

func pair(prefix string, first, second digest.Digest) []byte {
	key := make([]byte, 0, len(prefix)+len(first)+1+len(second))
	key = append(append(key, prefix...), first...)
	return append(append(key, '/'), second...)
}

// idOf is the digest that follows prefix in a key.
func idOf(key []byte, prefix string) digest.Digest {
	return digest.Digest(key[len(prefix):])
}

// HasPrefix reports whether an image ID begins with prefix, as a search takes it:
// "algorithm:" and hex digits, or hex digits alone (rule R3). It is for stores that
// look through IDs.
func HasPrefix(id digest.Digest, prefix string) bool {
	text := id.String()
	if !strings.Contains(prefix, ":") {
		_, text, _ = strings.Cut(text, ":")
	}
	return strings.HasPrefix(text, prefix)
}

// fullPrefixes are the beginnings of IDs that a search for prefix is for,
// sorted.
func fullPrefixes(prefix string) []string {
	if strings.Contains(prefix, ":") {
		return []string{prefix}
	}
	return []string{"sha256:" + prefix, "sha384:" + prefix, "sha512:" + prefix}
}
