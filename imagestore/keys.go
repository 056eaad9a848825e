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

// childKey is the key of a child; without an ID, the prefix of those of all
// children.
func childKey(parent, id digest.Digest) []byte {
	key := make([]byte, 0, len(childPrefix)+len(parent)+1+len(id))
	key = append(append(key, childPrefix...), parent...)
	return append(append(key, '/'), id...)
}

// idOf is the digest that follows prefix in a key.
func idOf(key []byte, prefix string) digest.Digest {
	return digest.Digest(key[len(prefix):])
}

// fullPrefixes are the beginnings of IDs that a search for prefix is for,
// sorted.
func fullPrefixes(prefix string) []string {
	if strings.Contains(prefix, ":") {
		return []string{prefix}
	}
	return []string{"sha256:" + prefix, "sha384:" + prefix, "sha512:" + prefix}
}
