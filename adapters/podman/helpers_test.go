package podman_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/idtools"
	"go.podman.io/storage/pkg/lockfile"
	"go.podman.io/storage/pkg/reexec"

	"github.com/jettison-oci/jettison/adapters/podman"
)

func TestMain(m *testing.M) {
	if reexec.Init() { // the library changes the owners of files in a child process
		return
	}
	if child() {
		return
	}
	os.Exit(m.Run())
}

// A fixture is a store that a test fills by the library itself, as an engine does.
type fixture struct {
	storage.Store
	t             testing.TB
	root, runRoot string
	layers        map[string]string // storage IDs by the names of the layers, "os/lib"
}

// newFixture makes an empty store. More options of the driver may name additional
// stores.
func newFixture(t testing.TB, driverOptions ...string) *fixture {
	t.Helper()
	return newFixtureWith(t, storage.StoreOptions{GraphDriverOptions: driverOptions})
}

// newFixtureWith makes an empty store with options of the library.
func newFixtureWith(t testing.TB, opts storage.StoreOptions) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t, root: filepath.Join(dir, "root"), runRoot: filepath.Join(dir, "run"), layers: make(map[string]string)}
	opts.GraphRoot, opts.RunRoot, opts.GraphDriverName = f.root, f.runRoot, "vfs"
	var err error
	if f.Store, err = storage.GetStore(opts); err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return f
}

// backend is the store as an engine sees it.
func (f *fixture) backend(opts *podman.Options) *podman.Store { return podman.New(f.Store, opts) }

// A spec says how to make an image.
type spec struct {
	layers  []string
	parent  *made // its history is the beginning of this one's
	names   []string
	labels  map[string]string
	comment string // makes the image different from others
}

// A made is an image that was made.
type made struct {
	id      digest.Digest
	config  ocispec.Image
	layers  []string
	topmost string
}

// image makes an image.
func (f *fixture) image(s spec) *made {
	f.t.Helper()
	m := &made{layers: s.layers}
	m.config = ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		Config:   ocispec.ImageConfig{Labels: s.labels},
		RootFS:   ocispec.RootFS{Type: "layers"},
	}
	if s.parent != nil {
		m.config.History = append(m.config.History, s.parent.config.History...)
	}
	m.config.History = append(m.config.History, ocispec.History{CreatedBy: "make", Comment: s.comment})
	for _, name := range s.layers {
		m.topmost = f.layer(m.topmost, name)
		l, err := f.Layer(m.topmost)
		f.check(err)
		m.config.RootFS.DiffIDs = append(m.config.RootFS.DiffIDs, l.UncompressedDigest)
	}
	config := f.json(m.config)
	m.id = digest.FromBytes(config)
	manifest := f.json(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.id, Size: int64(len(config))},
	})
	_, err := f.CreateImage(m.id.Encoded(), s.names, m.topmost, "", &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
		{Key: m.id.String(), Data: config},
		{Key: storage.ImageDigestBigDataKey, Data: manifest},
	}})
	f.check(err)
	return m
}

// layer makes a layer above another, unless it is there.
func (f *fixture) layer(below, name string) string {
	f.t.Helper()
	key := below + "/" + name
	if id, ok := f.layers[key]; ok && f.Exists(id) {
		return id
	}
	data := f.archive(name)
	f.layers[key] = f.newLayer(below, digest.FromBytes(data), len(data))
	return f.layers[key]
}

// newLayer makes an empty layer with the record of one that was made of an archive
// with this digest and as many bytes. To unpack an archive the library would start
// this very program again, which takes too long for so many.
func (f *fixture) newLayer(below string, diffID digest.Digest, size int) string {
	f.t.Helper()
	l, err := f.CreateLayer("", below, nil, "", false, nil)
	f.check(err)
	f.edit("vfs-layers/layers.json", func(data []byte) []byte {
		id := fmt.Appendf(nil, `{"id":%q,`, l.ID)
		return bytes.Replace(data, id, fmt.Appendf(id, `"diff-digest":%q,"diff-size":%d,`, diffID, size), 1)
	})
	return l.ID
}

// archive is an archive with one file.
func (f *fixture) archive(name string) []byte {
	f.t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	f.check(w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(name)), Typeflag: tar.TypeReg}))
	_, err := w.Write([]byte(name))
	f.check(err)
	f.check(w.Close())
	return out.Bytes()
}

func (f *fixture) json(value any) []byte {
	f.t.Helper()
	data, err := json.Marshal(value)
	f.check(err)
	return data
}

func (f *fixture) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// chain is the chain ID of the layers, from the base up to the n-th.
func (m *made) chain(f *fixture, n int) string {
	f.t.Helper()
	return identity.ChainID(slices.Clone(m.config.RootFS.DiffIDs[:n])).String()
}

// problems says what of the store does not fit together: layers that nothing holds,
// images whose layers are not there, and files without a record.
func (f *fixture) problems() []string {
	f.t.Helper()
	all, err := f.MultiList(storage.MultiListOptions{Images: true, Layers: true, Containers: true})
	f.check(err)
	held, there := map[string]bool{"": true}, map[string]bool{"": true}
	for _, l := range all.Layers {
		there[l.ID] = true
		held[l.Parent] = true
	}
	for _, c := range all.Containers {
		held[c.LayerID] = true
	}
	var found []string
	for _, img := range all.Images {
		held[img.TopLayer] = true
		for _, id := range append(img.MappedTopLayers, img.TopLayer) {
			held[id] = true
			if !there[id] {
				found = append(found, "image "+img.ID+" lacks layer "+id)
			}
		}
	}
	for _, l := range all.Layers {
		if !held[l.ID] {
			found = append(found, "nothing holds layer "+l.ID)
		}
	}
	return append(found, f.strays(there, all.Images)...)
}

// strays are the directories of layers and images that no record names.
func (f *fixture) strays(layers map[string]bool, images []storage.Image) []string {
	f.t.Helper()
	known := map[string]bool{}
	for _, img := range images {
		known[img.ID] = true
	}
	var found []string
	for dir, known := range map[string]map[string]bool{"vfs/dir": layers, "vfs-images": known} {
		entries, err := os.ReadDir(filepath.Join(f.root, dir))
		f.check(err)
		for _, entry := range entries {
			if entry.IsDir() && !known[entry.Name()] {
				found = append(found, "stray "+filepath.Join(dir, entry.Name()))
			}
		}
	}
	return found
}

// mapping is user IDs other than those of the host.
func mapping() storage.IDMappingOptions {
	ids := []idtools.IDMap{{ContainerID: 0, HostID: 1000, Size: 1}}
	return storage.IDMappingOptions{UIDMap: ids, GIDMap: ids}
}

// edit changes a file of the store past the library, which notices.
func (f *fixture) edit(name string, edit func([]byte) []byte) {
	f.t.Helper()
	path := filepath.Join(f.root, name)
	data, err := os.ReadFile(path)
	f.check(err)
	edited := edit(data)
	if bytes.Equal(edited, data) {
		f.t.Fatalf("nothing to edit in %s", data)
	}
	f.check(os.WriteFile(path, edited, 0o600))
	lock, err := lockfile.GetLockFile(strings.TrimSuffix(path, ".json") + ".lock")
	f.check(err)
	lock.Lock()
	defer lock.Unlock()
	_, err = lock.RecordWrite()
	f.check(err)
}

// chainAbove is the chain ID of a layer above a chain.
func chainAbove(below, diffID string) string { return digest.FromString(below + " " + diffID).String() }
