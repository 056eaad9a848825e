package compare_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/refstore"
)

// A stage is a scene whose images have short names.
type stage struct {
	t     *testing.T
	Scene compare.Scene
	ids   map[string]digest.Digest
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, ids: make(map[string]digest.Digest)}
}

// image adds an image of linux/amd64 with one layer of its own on top of the
// parent's; the parent may be empty.
func (s *stage) image(name, parent string) *stage {
	below, _ := s.Scene.Image(s.ids[parent])
	diffIDs := append(append([]digest.Digest{}, below.DiffIDs...), digest.FromString("layer of "+name))
	s.add(name, compare.Image{Parent: s.ids[parent], DiffIDs: diffIDs})
	return s
}

// lost adds an image without a record.
func (s *stage) lost(name string) *stage {
	s.add(name, compare.Image{Lost: true})
	return s
}

func (s *stage) add(name string, img compare.Image) {
	s.t.Helper()
	s.addWith(name, img, map[string]any{"config": struct{}{}})
}

// addWith adds an image with further parts of the configuration.
func (s *stage) addWith(name string, img compare.Image, parts map[string]any) {
	s.t.Helper()
	whole := map[string]any{
		"author": name, "os": "linux", "architecture": "amd64",
		"rootfs": ocispec.RootFS{Type: "layers", DiffIDs: img.DiffIDs},
	}
	maps.Copy(whole, parts)
	config, err := json.Marshal(whole)
	if err != nil {
		s.t.Fatal(err)
	}
	img.Config, img.ID = config, digest.FromBytes(config)
	s.ids[name] = img.ID
	s.Scene.Images = append(s.Scene.Images, img)
}

// reference adds a reference to the image; "@D" stands for a digest.
func (s *stage) reference(text, image string) *stage {
	s.t.Helper()
	ref, err := reference.ParseNormalizedNamed(spell(text))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Scene.References = append(s.Scene.References, refstore.Association{Ref: ref, ID: s.ids[image]})
	return s
}

// manifest is the digest that "@D" stands for.
var manifest = digest.FromString("a manifest")

func spell(text string) string { return strings.ReplaceAll(text, "@D", "@"+manifest.String()) }

// container adds a container; its ID repeats a digit.
func (s *stage) container(digit string, c conflict.Container) *stage {
	c.ID = strings.Repeat(digit, 64)
	s.Scene.Containers = append(s.Scene.Containers, c)
	return s
}

// id is the ID of an image, whole.
func (s *stage) id(name string) string { return s.ids[name].String() }

// tell writes what can be seen of a call, a line each, with the short names of
// images and layers.
func (s *stage) tell(out compare.Outcome) []string {
	var lines []string
	for _, r := range out.Records {
		if r.Untagged != "" {
			lines = append(lines, "untagged "+r.Untagged)
		} else {
			lines = append(lines, "deleted "+r.Deleted)
		}
	}
	for _, e := range out.Events {
		if e.Action == "prune" {
			lines = append(lines, "event prune reclaimed "+e.Reclaimed)
			continue
		}
		lines = append(lines, fmt.Sprintf("event %s %s name %s", e.Action, e.ID, e.Name))
	}
	if out.Failure != (compare.Failure{}) {
		lines = append(lines, out.Failure.Class+": "+out.Failure.Text)
	}
	for i := range lines {
		lines[i] = s.shortNames().Replace(lines[i])
	}
	return lines
}

func (s *stage) shortNames() *strings.Replacer {
	pairs := []string{manifest.String(), "D"}
	for name, id := range s.ids {
		img, _ := s.Scene.Image(id)
		for i, chain := range img.ChainIDs() {
			if i == len(img.DiffIDs)-1 {
				pairs = append(pairs, chain.String(), "layer-"+name)
			}
		}
		pairs = append(pairs, id.String(), name, id.Encoded()[:12], name)
	}
	return strings.NewReplacer(pairs...)
}

// on builds the scene on an engine, makes the call and tells the outcome.
func (s *stage) on(engine compare.Engine, call compare.Call) []string {
	s.t.Helper()
	s.build(engine)
	return s.call(engine, call)
}

func (s *stage) build(engine compare.Engine) {
	s.t.Helper()
	s.t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			s.t.Error(err)
		}
	})
	if err := engine.Build(s.t.Context(), s.Scene); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) call(engine compare.Engine, call compare.Call) []string {
	s.t.Helper()
	call.Ref = spell(call.Ref)
	out, err := engine.Delete(s.t.Context(), call)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.tell(out)
}

// references are those that an engine holds, in order.
func (s *stage) references(engine compare.Engine) []string {
	s.t.Helper()
	state, err := engine.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var left []string
	for _, a := range s.Scene.References {
		if _, ok := state.References[a.Ref.String()]; ok {
			left = append(left, s.shortNames().Replace(reference.FamiliarString(a.Ref)))
		}
	}
	return left
}

// images are the names of those that an engine holds, in the scene's order.
func (s *stage) images(engine compare.Engine) []string {
	s.t.Helper()
	state, err := engine.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var left []string
	for _, img := range s.Scene.Images {
		if _, ok := state.Images[img.ID]; ok {
			left = append(left, s.shortNames().Replace(img.ID.String()))
		}
	}
	return left
}

// equal fails if got is not want.
func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s (-got +want):\n%s", what, diff)
	}
}
