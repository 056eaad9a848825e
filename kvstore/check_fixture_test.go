package kvstore_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// A damaged store is one in memory with an entry of every kind, to be damaged.
type damaged struct {
	testing.TB
	db    kv.DB
	store *kvstore.Store
	// images has the ID of each image by its name, needs the layers and content
	// that it needs, by the keys of their records.
	images map[string]digest.Digest
	needs  map[string][]string
}

// newDamaged makes a store that is sound: base, with the children app and web,
// and single; references, containers and leases on most.
func newDamaged(t testing.TB) *damaged {
	t.Helper()
	d := &damaged{TB: t, db: memkv.New(), images: make(map[string]digest.Digest), needs: make(map[string][]string)}
	now := newClock().now
	d.store = open(t, d.db, &kvstore.Options{MarkGarbage: true, Now: func() time.Time { return now }})
	edit(t, d.store, func(tx *kvstore.Tx) error {
		d.create(tx, "base", "", "l1", "l2")
		d.create(tx, "app", "base", "l1", "l2", "l3")
		d.create(tx, "web", "base", "l1", "l2", "l4")
		d.create(tx, "single", "", "l5")
		for name, image := range map[string]string{"app:1": "app", "app:2": "app", "base:1": "base", "web:1": "web"} {
			must(t, tx.Tag(t.Context(), d.images[image], parse(t, name), refstore.AddOptions{}))
		}
		canonical, err := reference.WithDigest(parse(t, "app"), digest.FromString("manifest"))
		must(t, err)
		must(t, tx.References.AddDigest(t.Context(), canonical, d.images["app"]))
		for _, c := range []jettison.Container{
			{ID: "c1", Name: "db", Image: d.images["app"], Running: true},
			{ID: "c2", Image: d.images["app"], Mounts: []digest.Digest{d.images["single"]}},
		} {
			_, err := tx.Containers.Add(t.Context(), c)
			must(t, err)
		}
		must(t, tx.Leases.Add(t.Context(), d.images["web"], conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "me", Expires: now}))
		return tx.Images.MarkGarbage(t.Context(), digest.FromString("garbage"))
	})
	return d
}

// create makes an image of layers with content; parent is the name of another.
func (d *damaged) create(tx *kvstore.Tx, name, parent string, layers ...string) {
	d.Helper()
	spec := imagestore.Spec{Config: checkConfig(d, name, layers), Parent: d.images[parent]}
	spec.Content = []ocispec.Descriptor{describe(string(spec.Config))}
	for _, l := range layers {
		spec.Layers = append(spec.Layers, describe(l))
	}
	img, err := tx.Images.Create(d.Context(), spec)
	must(d, err)
	d.images[name] = img.ID
	for _, c := range append(spec.Content, spec.Layers...) {
		d.needs[name] = append(d.needs[name], "content/"+c.Digest.String())
	}
	for at := img.Layer; at != ""; {
		l, err := tx.Images.Layer(d.Context(), at)
		must(d, err)
		d.needs[name] = append(d.needs[name], "layer/"+at.String())
		at = l.Parent
	}
}

func checkConfig(t testing.TB, name string, layers []string) []byte {
	t.Helper()
	var diffIDs []digest.Digest
	for _, l := range layers {
		diffIDs = append(diffIDs, digest.FromString("diff of "+l))
	}
	config, err := json.Marshal(map[string]any{
		"author": name, "created": newClock().now.Add(time.Duration(len(layers)) * time.Hour),
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	must(t, err)
	return config
}

func describe(content string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

// layer is the chain ID of the topmost of these layers.
func layer(layers ...string) digest.Digest {
	top := digest.FromString("diff of " + layers[len(layers)-1])
	if len(layers) == 1 {
		return top
	}
	return digest.FromString(string(layer(layers[:len(layers)-1]...)) + " " + string(top))
}

// entries returns all entries, sorted.
func (d *damaged) entries() (all []kv.Entry) {
	d.Helper()
	must(d, d.db.View(d.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(d.Context(), nil) {
			if err != nil {
				return err
			}
			all = append(all, kv.Entry{Key: bytes.Clone(entry.Key), Value: bytes.Clone(entry.Value)})
		}
		return nil
	}))
	return all
}

// replace removes an entry and writes another one; nil is none.
func (d *damaged) replace(old, by *kv.Entry) {
	d.Helper()
	must(d, d.db.Update(d.Context(), func(tx kv.Tx) error {
		if old != nil {
			must(d, tx.Delete(d.Context(), old.Key))
		}
		if by == nil {
			return nil
		}
		return tx.Put(d.Context(), by.Key, by.Value)
	}))
}

// flip alters the last byte of a value.
func (d *damaged) flip(key string) {
	d.Helper()
	d.change(key, func(value []byte) []byte {
		value[len(value)-1] ^= 1
		return value
	})
}

// change replaces the value under a key.
func (d *damaged) change(key string, fn func(value []byte) []byte) {
	d.Helper()
	for _, e := range d.entries() {
		if string(e.Key) == key {
			d.replace(nil, &kv.Entry{Key: e.Key, Value: fn(e.Value)})
			return
		}
	}
	d.Fatalf("no key %q", key)
}

// rewrite replaces the value under a key by one with the right checksum.
func (d *damaged) rewrite(key string, fn func(value []byte) []byte) {
	d.Helper()
	key = d.fill(key)
	d.change(key, func(value []byte) []byte {
		value = fn(value)
		reseal(kv.Entry{Key: []byte(key), Value: value})
		return value
	})
}

// remove removes a key.
func (d *damaged) remove(key string) { d.replace(&kv.Entry{Key: []byte(key)}, nil) }

// put writes an entry.
func (d *damaged) put(key, value string) {
	d.replace(nil, &kv.Entry{Key: []byte(key), Value: []byte(value)})
}

// reseal gives a record the checksum that its fields have.
func reseal(e kv.Entry) {
	if len(e.Value) < 5 {
		return
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.BigEndian.PutUint32(e.Value[1:], crc32.Update(crc32.Checksum(e.Key, table), table, e.Value[5:]))
}

// fill puts the IDs of images, layers and content in the place of names: {app},
// {layer l1 l2}, {content l1}.
func (d *damaged) fill(text string) string {
	for name, id := range d.images {
		text = strings.ReplaceAll(text, "{"+name+"}", id.String())
	}
	for {
		begin, rest, ok := strings.Cut(text, "{")
		if !ok {
			return text
		}
		inner, end, _ := strings.Cut(rest, "}")
		words := strings.Fields(inner)
		id := digest.FromString(strings.Join(words[1:], " "))
		if words[0] == "layer" {
			id = layer(words[1:]...)
		}
		text = begin + id.String() + end
	}
}
