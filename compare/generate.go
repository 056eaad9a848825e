package compare

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/refstore"
)

// Generate makes a scenario. The same seed gives the same scenario.
//
// Scenes are small, and names, layers and prefixes are drawn from small pools,
// so that things meet: shared layers, repositories that hold tags and digests
// of several images, names that are the beginning of an image's ID, IDs that
// begin alike.
func Generate(seed uint64) Scenario {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	g.makeImages()
	g.makeReferences()
	g.makeContainers()
	s := Scenario{Scene: g.scene}
	for range 1 + g.IntN(5) {
		if g.chance(25) {
			s.Calls = append(s.Calls, g.prune())
		} else {
			s.Calls = append(s.Calls, g.call())
		}
	}
	return s
}

type generator struct {
	*rand.Rand
	scene   Scene
	diffIDs []digest.Digest
	names   []string
	digests []digest.Digest
}

// chance is true in percent of a hundred cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) digest() digest.Digest {
	return digest.FromString(fmt.Sprint(g.Uint64()))
}

func (g *generator) hex(digits int) string { return g.digest().Encoded()[:digits] }

func (g *generator) makeImages() {
	for range 3 + g.IntN(3) {
		g.diffIDs = append(g.diffIDs, g.digest())
	}
	for range 1 + g.IntN(6) {
		g.scene.Images = append(g.scene.Images, g.image())
	}
}

// image makes an image on its own or on top of another.
func (g *generator) image() Image {
	img := Image{}
	if len(g.scene.Images) > 0 && g.chance(50) {
		parent := pick(g, g.scene.Images)
		img.Parent, img.DiffIDs = parent.ID, slices.Clone(parent.DiffIDs)
	}
	if img.Parent == "" && g.chance(8) {
		img.Lost = true
	} else {
		for range g.IntN(3) {
			img.DiffIDs = append(img.DiffIDs, pick(g, g.diffIDs))
		}
	}
	platform := pick(g, imagePlatforms)
	img.Config = g.config(img, platform)
	if len(g.scene.Images) > 0 && g.chance(15) {
		img.Config = g.configLike(img, platform)
	}
	img.ID = digest.FromBytes(img.Config)
	return img
}

// config makes a configuration that no other image has.
func (g *generator) config(img Image, platform ocispec.Platform) []byte {
	config, err := json.Marshal(configuration{
		Created:  g.created(),
		Author:   fmt.Sprint(g.Uint64()),
		Platform: platform,
		Config:   g.labels(),
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: slices.Clone(img.DiffIDs)},
	})
	if err != nil {
		panic(err) // the value is made above
	}
	return config
}

// configLike looks for a configuration whose digest begins with four digits
// that another image's ID begins with. It replaces the other's configuration
// too when nothing depends on that yet; where it finds none, it gives up.
func (g *generator) configLike(img Image, platform ocispec.Platform) []byte {
	last := &g.scene.Images[len(g.scene.Images)-1]
	byPrefix := map[string][]byte{}
	if img.Parent != last.ID {
		for range 300 {
			config := g.config(*last, ocispec.Platform{Architecture: "amd64", OS: "linux"})
			byPrefix[digest.FromBytes(config).Encoded()[:4]] = config
		}
	}
	var config []byte
	for range 300 {
		config = g.config(img, platform)
		if other := byPrefix[digest.FromBytes(config).Encoded()[:4]]; other != nil {
			last.Config, last.ID = other, digest.FromBytes(other)
			break
		}
	}
	return config
}

// imagePlatforms are mostly one, so that platforms rarely matter.
var imagePlatforms = []ocispec.Platform{
	{Architecture: "amd64", OS: "linux"},
	{Architecture: "amd64", OS: "linux"},
	{Architecture: "amd64", OS: "linux"},
	{Architecture: "arm64", OS: "linux", Variant: "v8"},
	{Architecture: "arm64", OS: "linux"},
	{Architecture: "arm", OS: "linux", Variant: "v7"},
	{Architecture: "arm", OS: "linux"},
	{Architecture: "386", OS: "linux"},
}

// callPlatforms are what a call asks for.
var callPlatforms = []ocispec.Platform{
	{Architecture: "amd64", OS: "linux"},
	{Architecture: "x86_64", OS: "linux"},
	{Architecture: "amd64", OS: "linux", Variant: "v2"},
	{Architecture: "arm64", OS: "linux"},
	{Architecture: "aarch64", OS: "linux", Variant: "v8"},
	{Architecture: "arm", OS: "linux", Variant: "v8"},
	{Architecture: "arm", OS: "linux", Variant: "v6"},
	{Architecture: "arm", OS: "linux"},
	{Architecture: "s390x", OS: "linux"},
	{Architecture: "amd64", OS: "windows"},
}

var (
	repositories = []string{
		"app", "app", "db", "user/app", "quay.io/org/app", "localhost:5000/x",
		"s", "sha", "sha2", "sha512", "docker.io/user/db",
	}
	tags = []string{"latest", "latest", "1", "1.0", "v2"}
)

func (g *generator) makeReferences() {
	for range 2 + g.IntN(3) {
		g.names = append(g.names, pick(g, repositories))
	}
	if g.chance(40) {
		digits := pick(g, []int{1, 1, 2, 3, 4, 5, 8, 12, 63})
		g.names = append(g.names, g.anImage().ID.Encoded()[:digits])
	}
	for range 3 {
		g.digests = append(g.digests, g.digest())
	}
	g.digests = append(g.digests, g.anImage().ID)
	taken := map[string]bool{}
	for range g.IntN(8) {
		ref := g.reference()
		if !taken[ref.String()] {
			taken[ref.String()] = true
			g.scene.References = append(g.scene.References, refstore.Association{Ref: ref, ID: g.anImage().ID})
		}
	}
}

func (g *generator) anImage() Image { return pick(g, g.scene.Images) }

// reference makes a tag or a digest reference.
func (g *generator) reference() reference.Named {
	text := pick(g, g.names)
	if g.chance(35) {
		text += "@" + pick(g, g.digests).String()
	} else {
		text += ":" + g.tag()
	}
	ref, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		panic(err) // the pools hold only names and tags
	}
	return ref
}

func (g *generator) tag() string {
	if g.chance(5) {
		return g.anImage().ID.Encoded()[:4+g.IntN(4)]
	}
	return pick(g, tags)
}

func (g *generator) makeContainers() {
	if g.chance(40) {
		return
	}
	for range 1 + g.IntN(3) {
		image, mounted := g.anImage(), g.anImage()
		if image.Lost || mounted.Lost {
			continue
		}
		c := conflict.Container{ID: g.hex(64), Running: g.chance(40), Image: image.ID}
		if g.chance(20) {
			c.Mounts = append(c.Mounts, mounted.ID)
		}
		g.scene.Containers = append(g.scene.Containers, c)
	}
}

func (g *generator) call() Call {
	c := Call{Ref: g.text(), Force: g.chance(35), Prune: g.chance(60)}
	for g.chance(8) {
		c.Platforms = append(c.Platforms, pick(g, callPlatforms))
	}
	return c
}

// text makes what a user might type.
func (g *generator) text() string {
	switch n := g.IntN(100); {
	case n < 45 && len(g.scene.References) > 0:
		return g.spelling(pick(g, g.scene.References).Ref)
	case n < 60:
		return g.maybe(20, "sha256:") + g.anImage().ID.Encoded()[:pick(g, []int{1, 2, 3, 4, 4, 5, 6, 8, 12, 12, 32, 63})]
	case n < 75:
		return g.maybe(50, "sha256:") + g.anImage().ID.Encoded()
	case n < 80:
		return g.maybe(20, "sha256:") + g.anImage().ID.Encoded()[:3+g.IntN(9)] + g.hex(2)
	case n < 85:
		return pick(g, g.names)
	case n < 92:
		return g.spelling(g.reference())
	default:
		return pick(g, oddTexts)
	}
}

func (g *generator) maybe(percent int, text string) string {
	if g.chance(percent) {
		return text
	}
	return ""
}

// spelling writes a reference in one of the ways that mean the same.
func (g *generator) spelling(ref reference.Named) string {
	name := reference.FamiliarName(ref)
	if g.chance(15) {
		name = ref.Name()
	}
	switch r := ref.(type) {
	case reference.Canonical:
		if g.chance(35) {
			name += ":" + g.tag()
		}
		return name + "@" + r.Digest().String()
	case reference.Tagged:
		if r.Tag() == "latest" && g.chance(60) {
			return name
		}
		return name + ":" + r.Tag()
	}
	return name
}

// oddTexts are malformed, unknown, or look like something else.
var oddTexts = []string{
	"", " ", "UPPER", "App:1", "a:b:c", "/app", "app:", "app@", "@", ":", "..", "app//x", "app:-x",
	"app@sha256:abcd", "app@md5:d41d8cd98f00b204e9800998ecf8427e", "app@nope:" + zeros[:32],
	"sha256", "sha256:", "sha256:abcd", "sha256:xyz", "sha256:" + zeros, "sha256:" + capitals, zeros, capitals, zeros + ":1",
	"sha512:abcd", "sha512:" + zeros + zeros, "md5:d41d8cd98f00b204e9800998ecf8427e", "sha999:" + zeros,
	"none", "nowhere.example/none:1", "0000", "ffffffff", "docker.io/app", "docker.io/library/app", "library/app", "index.docker.io/app",
}

const (
	zeros    = "0000000000000000000000000000000000000000000000000000000000000000"
	capitals = "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"
)
