package storecheck

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// readRecords reads every record. One that cannot be read is an error.
func (j *judge) readRecords(ctx context.Context, tx *kvstore.Tx) error {
	for _, read := range []func(context.Context, *kvstore.Tx) error{
		j.readDocuments, j.readImages, j.readLayers, j.readContents, j.readReferences, j.readContainers, j.readLeases,
	} {
		if err := read(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) readImages(ctx context.Context, tx *kvstore.Tx) error {
	for img, err := range tx.Images.All(ctx) {
		if err != nil {
			return err
		}
		for _, top := range img.Chains() {
			j.layers[top]++
		}
		for _, c := range img.Content {
			j.contents[c.Digest]++
		}
		if img.Parent != "" {
			j.needImage(img.Parent, "the child "+img.ID.String())
			j.index["child/"+img.Parent.String()+"/"+img.ID.String()] = ""
		}
		j.links(img)
		j.compareDocuments(img)
		size, err := sizeOf(ctx, tx, img)
		if err != nil {
			return err
		}
		if size != img.Size {
			j.problem("image %s has %d bytes by its record, but its content has %d", img.ID, img.Size, size)
		}
	}
	return nil
}

// sizeOf adds up the content of an image, each piece once.
func sizeOf(ctx context.Context, tx *kvstore.Tx, img imagestore.Image) (size int64, err error) {
	all := slices.Clone(img.Content)
	for _, id := range img.Chains() {
		for id != "" {
			layer, err := tx.Images.Layer(ctx, id)
			if err != nil {
				return 0, err
			}
			all = append(all, layer.Content...)
			id = layer.Parent
		}
	}
	seen := make(map[digest.Digest]bool)
	for _, c := range all {
		if !seen[c.Digest] {
			size += c.Size
		}
		seen[c.Digest] = true
	}
	return size, nil
}

// readLayers reads the layers, and compares the holders of each with those
// that there are.
func (j *judge) readLayers(ctx context.Context, tx *kvstore.Tx) error {
	stored := make(map[digest.Digest]int)
	for layer, err := range tx.Images.Layers(ctx) {
		if err != nil {
			return err
		}
		stored[layer.ChainID] = layer.Holders
		if layer.Parent != "" {
			j.layers[layer.Parent]++
		}
		for _, c := range layer.Content {
			j.contents[c.Digest]++
		}
	}
	j.compareHolders("layer", stored, j.layers)
	return nil
}

// readContents reads the records of content. All that hold some have been read.
func (j *judge) readContents(ctx context.Context, tx *kvstore.Tx) error {
	stored := make(map[digest.Digest]int)
	for c, err := range tx.Images.Contents(ctx) {
		if err != nil {
			return err
		}
		stored[c.Digest] = c.Holders
		j.report.sizes[c.Digest] = c.Size
	}
	j.compareHolders("content", stored, j.contents)
	for _, marked := range j.report.Marks {
		if _, held := stored[marked]; held {
			j.problem("content %s is held and marked as garbage", marked)
		}
	}
	return nil
}

func (j *judge) compareHolders(kind string, stored, counted map[digest.Digest]int) {
	for id, n := range stored {
		if n != counted[id] || n == 0 {
			j.problem("%s %s has %d holders by its record, but there are %d", kind, id, n, counted[id])
		}
	}
	for id, n := range counted {
		if _, found := stored[id]; !found {
			j.problem("%s %s is missing, but has %d holders", kind, id, n)
		}
	}
}

func (j *judge) readReferences(ctx context.Context, tx *kvstore.Tx) error {
	for ref, err := range tx.References.All(ctx) {
		if err != nil {
			return err
		}
		j.needImage(ref.ID, "reference "+ref.Ref.String())
		j.index["idref/"+ref.ID.String()+"/"+ref.Ref.String()] = ""
		if subject, ok := refstore.SubjectOf(ref.Ref); ok {
			j.index["about/"+subject.String()+"/"+ref.Ref.String()] = ""
		}
	}
	return nil
}

// readContainers does not ask for the images: one of a stopped container can be
// deleted by force (rule D8).
func (j *judge) readContainers(ctx context.Context, tx *kvstore.Tx) error {
	for container, err := range tx.Containers.All(ctx) {
		if err != nil {
			return err
		}
		if container.Name != "" {
			j.index["name/"+container.Name] = container.ID
		}
		for _, image := range append(slices.Clone(container.Mounts), container.Image) {
			if image != "" {
				j.index["use/"+image.String()+"/"+container.ID] = ""
			}
		}
	}
	return nil
}

func (j *judge) readLeases(ctx context.Context, tx *kvstore.Tx) error {
	for key := range j.keys {
		rest, found := strings.CutPrefix(key, "lease/")
		if !found {
			continue
		}
		image, _, _ := strings.Cut(rest, "/")
		j.needImage(digest.Digest(image), "a lease")
		if _, err := tx.Leases.Leases(ctx, digest.Digest(image)); err != nil {
			return err
		}
	}
	return nil
}
