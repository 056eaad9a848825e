package transfer_test

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// FuzzLoad feeds Load with what is hardly an archive any more. It must load
// what it says and whole, or leave the store as it was and say that the archive
// is to blame.
func FuzzLoad(f *testing.F) {
	l := newLayout(f)
	l.list(l.image(linux("amd64"), "application/vnd.oci.image.layer.v1.tar+gzip", gzipped), "seed:1")
	l.list(l.indexOf(linux("amd64"), linux("arm64")), "multi:1")
	seed := pack(f, l.files()...)
	f.Add(seed)
	f.Add(gzipped(f, seed))
	f.Add(zstandard(f, seed))
	f.Add(real(f, "oci-layout-referrers.tar"))
	for _, name := range []string{"docker-archive.tar", "docker-archive-parents.tar", "podman-docker-archive.tar"} {
		f.Add(real(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) { loadWhole(t, data) })
}

// FuzzLoadDocuments is FuzzLoad for archives that are right but for what the
// documents in them say. In each, the words CONFIG, LAYER and MANIFEST stand
// for the digests of the others, CSIZE, LSIZE and MSIZE for their sizes.
func FuzzLoadDocuments(f *testing.F) {
	config := []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["LAYER"]},"history":[{"created_by":"x"}]}`)
	manifest := []byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"CONFIG","size":CSIZE},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"LAYER","size":LSIZE}]}`)
	index := []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"MANIFEST","size":MSIZE}]}`)
	docker := []byte(`[{"Config":"config","RepoTags":["a:1"],"Layers":["layer"],"Parent":"CONFIG"}]`)
	f.Add([]byte("layer"), config, manifest, index)
	f.Add([]byte("layer"), config, docker, []byte(nil))
	f.Add([]byte("layer"), config, docker, index)
	f.Fuzz(func(t *testing.T, layer, config, manifest, index []byte) {
		config = refer(config, "L", layer)
		manifest = refer(refer(manifest, "L", layer), "C", config)
		files := []file{
			{name: "layer", body: layer},
			{name: blobPath(layer), body: layer},
			{name: "config", body: config},
			{name: blobPath(config), body: config},
			{name: "manifest.json", body: manifest},
			{name: blobPath(manifest), body: manifest},
		}
		if len(index) > 0 {
			files = append(files,
				file{name: "oci-layout", body: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
				file{name: "index.json", body: refer(index, "M", manifest)})
		}
		loadWhole(t, pack(t, files...))
	})
}

// refer puts the digest and the size of data where its words stand, which begin
// with letter.
func refer(document []byte, letter string, data []byte) []byte {
	words := map[string]string{"L": "LAYER", "C": "CONFIG", "M": "MANIFEST"}
	document = bytes.ReplaceAll(document, []byte(words[letter]), []byte(digest.FromBytes(data)))
	return bytes.ReplaceAll(document, []byte(letter+"SIZE"), []byte(strconv.Itoa(len(data))))
}

func blobPath(data []byte) string { return "blobs/sha256/" + digest.FromBytes(data).Encoded() }

// loadWhole makes sure that an archive is loaded whole or refused.
func loadWhole(t *testing.T, data []byte) {
	t.Helper()
	store := newStore(t)
	report, err := transfer.LoadReader(t.Context(), store, bytes.NewReader(data), amd64())
	if err == nil {
		if len(report.Images) == 0 {
			t.Error("nothing was loaded, and no error")
		}
		checkStore(t, store)
		checkRecords(t, store, report)
		return
	}
	var archive *transfer.ArchiveError
	if !errors.As(err, &archive) || !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want an ArchiveError", err)
	}
	if diff := cmp.Diff(dump(t, store), []string(nil)); diff != "" {
		t.Errorf("left behind (-got +want):\n%s", diff)
	}
}
