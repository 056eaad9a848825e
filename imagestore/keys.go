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

func imageKey(id digest.Digest) []byte         { return join(imagePrefix, id) }
func layerKey(chainID digest.Digest) []byte    { return join(layerPrefix, chainID) }
func contentKey(dgst digest.Digest) []byte     { return join(contentPrefix, dgst) }
func garbageKey(dgst digest.Digest) []byte     { return join(garbagePrefix, dgst) }
func childKey(parent, id digest.Digest) []byte { return join(childPrefix, parent, "/", id) }

func join(prefix string, parts ...digest.Digest) []byte {
	n := len(prefix)
	for _, part := range parts {
		n += len(part)
	}
	key := append(make([]byte, 0, n), prefix...)
	for _, part := range parts {
		key = append(key, part...)
	}
	return key
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
