package transfer_test

import (
	"archive/tar"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kvstore"
)

const parentsArchive = "docker-archive-parents.tar"

// IDs in the archive with parents.
const (
	p1 = "sha256:06abd75e136ece199081c4e4be857425131c18bf9e615bfadf90777c4c6e7173"
	p2 = "sha256:5b6dfd8e5fdbe35b75afd2633d8eb0330d3f28cec563a76010af23d1c01a049d"
	p3 = "sha256:3f00edc42e090a70835df6c5b505536a907afd7fe34c63bc0cdeb2fe5172fbae"
	p4 = "sha256:5fb1185e633f6a8786a586f6ed61af6aa8d66ecca4d79d14472a302fceb5125e"
)

// A parent link is kept only where the child was evidently built on the parent.
func TestLoadParents(t *testing.T) {
	tests := []struct {
		name string
		edit func(file) *file
		want []string
		skip string
	}{
		{
			name: "sibling, whose history goes another way",
			edit: replaced(`"Parent":"`+p2+`"},{"Config":"5fb1`, `"Parent":"`+p4+`"},{"Config":"5fb1`),
			want: []string{"p1:1", "p2:1 <- p1:1", "p3:1 p3:latest", "p4:1 <- p2:1"},
			skip: p4 + ": the image was not built from what is said to be its parent",
		},
		{
			name: "child",
			edit: replaced(p1, p3),
			want: []string{"p1:1", "p2:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p2:1"},
			skip: p3 + ": the image was not built from what is said to be its parent",
		},
		{
			name: "itself",
			edit: replaced(p1, p2),
			want: []string{"p1:1", "p2:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p2:1"},
			skip: p2 + ": the image was not built from what is said to be its parent",
		},
		{
			name: "grandparent",
			edit: replaced(`"Parent":"`+p2+`"}]`, `"Parent":"`+p1+`"}]`),
			want: []string{"p1:1", "p2:1 <- p1:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p1:1"},
		},
		{
			name: "nowhere",
			edit: replaced(p1, "sha256:"+strings.Repeat("0", 64)),
			want: []string{"p1:1", "p2:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p2:1"},
			skip: "sha256:" + strings.Repeat("0", 64) + ": the parent is neither in the archive nor in the store",
		},
		{
			name: "no digest",
			edit: replaced(p1, "../../etc/passwd"),
			want: []string{"p1:1", "p2:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p2:1"},
			skip: "../../etc/passwd: the parent is neither in the archive nor in the store",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			report := loadData(t, store, edited(t, parentsArchive, "manifest.json", tt.edit))
			var skipped []string
			if tt.skip != "" {
				skipped = []string{tt.skip}
			}
			checkReport(t, store, report, tt.want, skipped)
		})
	}
}

// only keeps one image of the archive with parents.
func only(t testing.TB, id string) []byte {
	t.Helper()
	return edited(t, parentsArchive, "manifest.json", func(f file) *file {
		text := strings.Trim(string(f.body), "[]\n")
		for entry := range strings.SplitSeq(text, `},{`) {
			if strings.Contains(entry, id[7:]+".json") {
				return &file{name: f.name, body: []byte("[{" + strings.Trim(entry, "{}") + "}]")}
			}
		}
		t.Fatalf("no image %s", id)
		return nil
	})
}

// The parent may be in the store already, and an image that was loaded without
// its parent gets it when it is loaded again.
func TestLoadParentInStore(t *testing.T) {
	store := newStore(t)
	orphan := loadData(t, store, only(t, p2))
	if len(orphan.Images) != 1 || orphan.Images[0].Parent != "" || len(orphan.Skipped) != 1 {
		t.Errorf("without its parent: %+v", orphan)
	}
	loadData(t, store, only(t, p1))
	report := loadData(t, store, only(t, p2))
	if got := report.Images[0].Parent; got != p1 {
		t.Errorf("parent = %q, want %q", got, p1)
	}
	// D11: the link counts when the child is deleted.
	service := jettison.New(store, nil)
	if _, err := service.ImageDelete(t.Context(), p1, jettison.RemoveOptions{Force: true}); err == nil {
		t.Error("the parent could be deleted before its child")
	}
}

// A link that would make an image its own ancestor is left out: here the store
// has the parent as the child.
func TestLoadParentIsDescendant(t *testing.T) {
	store := newStore(t)
	loadData(t, store, only(t, p2))
	loadData(t, store, only(t, p1))
	err := store.Edit(t.Context(), func(tx *kvstore.Tx) error { return tx.Images.SetParent(t.Context(), p1, p2) })
	if err != nil {
		t.Fatal(err)
	}
	report := loadData(t, store, only(t, p2))
	if got := report.Images[0].Parent; got != "" || len(report.Skipped) != 1 {
		t.Errorf("parent = %q, skipped = %+v", got, report.Skipped)
	}
	checkStore(t, store)
}

// A parent set before is not changed by an archive.
func TestLoadKeepsParent(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, parentsArchive))
	report := loadData(t, store, edited(t, parentsArchive, "manifest.json", replaced(`"Parent":"`+p2+`"}]`, `"Parent":"`+p1+`"}]`)))
	if got := report.Images[3].Parent; got != p2 {
		t.Errorf("parent = %q, want %q", got, p2)
	}
}

// The layer files of a docker-archive may be links of all kinds, and may be
// compressed.
func TestLoadDockerLayerFiles(t *testing.T) {
	const layer = baseLayer + "/layer.tar"
	tests := map[string]func(file) []file{
		"gzip": func(f file) []file { return []file{{name: f.name, body: gzipped(t, f.body)}} },
		"zstd": func(f file) []file { return []file{{name: f.name, body: zstandard(t, f.body)}} },
		"hard link": func(f file) []file {
			return []file{{name: "real", body: f.body}, {name: f.name, kind: tar.TypeLink, link: "real"}}
		},
		"link before its target": func(f file) []file {
			return []file{{name: f.name, kind: tar.TypeSymlink, link: "../real"}, {name: "real", body: f.body}}
		},
		"link to a directory": func(f file) []file {
			return []file{
				{name: baseLayer, kind: tar.TypeSymlink, link: "dir/../there"},
				{name: "there/layer.tar", body: f.body},
			}
		},
		"the last of two entries": func(f file) []file {
			return []file{{name: f.name, body: []byte("old")}, f}
		},
	}
	want := realArchives()["docker-archive.tar"].images
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			var files []file
			for _, f := range unpack(t, real(t, "docker-archive.tar")) {
				if f.name == layer {
					files = append(files, edit(f)...)
				} else if f.name != baseLayer {
					files = append(files, f)
				}
			}
			store := newStore(t)
			checkReport(t, store, loadData(t, store, pack(t, files...)), want, nil)
		})
	}
}

// What docker save of Docker 25 and later writes: an OCI layout that has a
// manifest.json too. The images are those of the layout, the parents those of
// manifest.json.
func TestLoadDockerLayout(t *testing.T) {
	l := newLayout(t)
	content := pack(t, file{name: "f"})
	config := configOf(linux("amd64"), digest.FromBytes(content))
	config.History = []ocispec.History{{CreatedBy: "COPY f"}}
	parent := l.imageOf(config, l.add(ocispec.MediaTypeImageLayer, content))
	parentID := digest.FromBytes(toJSON(t, config))
	config.History = append(config.History, ocispec.History{CreatedBy: "LABEL x=y", EmptyLayer: true})
	child := l.imageOf(config, l.add(ocispec.MediaTypeImageLayer, content))
	childID := digest.FromBytes(toJSON(t, config))
	child.Annotations = map[string]string{
		"io.containerd.image.name": "docker.io/library/child:1",
		ocispec.AnnotationRefName:  "1",
	}
	l.list(parent, "")
	l.list(child, "")
	manifest := []map[string]string{{"Config": "blobs/sha256/" + childID.Encoded(), "Parent": parentID.String()}}
	files := append(l.files(), file{name: "manifest.json", body: toJSON(t, manifest)})

	store := newStore(t)
	report := loadData(t, store, pack(t, files...))
	want := []string{parentID.Encoded()[:12], "child:1 <- " + parentID.Encoded()[:12]}
	checkReport(t, store, report, want, nil)
	if got := report.Images[1].ID; got != childID {
		t.Errorf("ID = %s, want %s", got, childID)
	}
}

// A manifest.json that is something else does no harm to an OCI layout.
func TestLoadLayoutWithOtherManifest(t *testing.T) {
	store := newStore(t)
	files := append(unpack(t, real(t, "podman-oci-archive.tar")), file{name: "manifest.json", body: []byte("{}")})
	report := loadData(t, store, pack(t, files...))
	checkReport(t, store, report, []string{"localhost/app:1.0"}, []string{
		"manifest.json: parents are unknown: is not a list of images: it has a JSON object",
	})
}

// Both the history and the layers of a parent must begin those of the child.
func TestLoadParentIsExtended(t *testing.T) {
	layers := []digest.Digest{digest.FromString("base"), digest.FromString("top")}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	later := now.Add(time.Second)
	base := ocispec.History{CreatedBy: "base", Created: &now}
	top := ocispec.History{CreatedBy: "top", Created: &later}
	image := func(layers []digest.Digest, history ...ocispec.History) ocispec.Image {
		config := configOf(linux("amd64"), layers...)
		config.History = history
		return config
	}
	parent, same := image(layers[:1], base), image(layers[:1], base)
	same.Author = "someone else"
	tests := []struct {
		name  string
		child ocispec.Image
		want  bool
	}{
		{"one more layer", image(layers[:2], base, top), true},
		{"one more step without a layer", image(layers[:1], base, ocispec.History{EmptyLayer: true}), true},
		{"the same", same, false},
		{"other layers", image(layers[1:], base, ocispec.History{EmptyLayer: true}), false},
		{"fewer layers", image(nil, ocispec.History{EmptyLayer: true}, ocispec.History{EmptyLayer: true}), false},
		{"other step", image(layers[:2], ocispec.History{CreatedBy: "other", Created: &now}, top), false},
		{"other time", image(layers[:2], ocispec.History{CreatedBy: "base", Created: &later}, top), false},
		{"no time", image(layers[:2], ocispec.History{CreatedBy: "base"}, top), false},
		{"other order", image(layers[:2], top, base), false},
		{"no history", image(layers[:2]), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			report := loadData(t, store, packChild(t, parent, tt.child))
			if got := report.Images[1].Parent != ""; got != tt.want {
				t.Errorf("linked = %v, want %v", got, tt.want)
			}
			if got := len(report.Skipped) == 0; got != tt.want {
				t.Errorf("skipped = %+v", report.Skipped)
			}
		})
	}
}

// packChild makes a docker-archive of two images, one said to be the parent of
// the other. Their layers are the words "base" and "top".
func packChild(t testing.TB, parent, child ocispec.Image) []byte {
	t.Helper()
	files := []file{{name: "parent", body: toJSON(t, parent)}, {name: "child", body: toJSON(t, child)}}
	names := make(map[digest.Digest]string)
	for _, word := range []string{"base", "top"} {
		files = append(files, file{name: word, body: []byte(word)})
		names[digest.FromString(word)] = word
	}
	entry := func(name string, config ocispec.Image, parent string) map[string]any {
		layers := []string{}
		for _, id := range config.RootFS.DiffIDs {
			layers = append(layers, names[id])
		}
		return map[string]any{"Config": name, "Layers": layers, "Parent": parent}
	}
	manifest := []any{entry("parent", parent, ""), entry("child", child, digest.FromBytes(files[0].body).String())}
	return pack(t, append(files, file{name: "manifest.json", body: toJSON(t, manifest)})...)
}
