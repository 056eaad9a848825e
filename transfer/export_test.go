package transfer

import dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

// Limits of unpacking that a test cannot reach.
const (
	FreeSize = freeSize
	MaxRatio = maxRatio
)

// MaxUnpacked is how many bytes may come out of an archive of which read
// bytes were read.
func (o LoadOptions) MaxUnpacked(compressed string, read int64) int64 {
	return o.maxSize(map[string]compression{"plain": plain, "gzip": gzipped, "zstd": zstandard}[compressed], read)
}

// ApplyChanges makes a configuration of the changes of an import.
func ApplyChanges(changes []string) (dockerspec.DockerOCIImageConfig, error) {
	return applyChanges(changes)
}
