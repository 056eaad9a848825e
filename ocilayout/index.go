package ocilayout

import (
	"encoding/json"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
)

// An index is what index.json, or the blob of an index, says.
type index struct {
	rest    object // the fields, with the list of manifests as it was
	entries []entry
}

// An entry is a descriptor in the list of an index.
type entry struct {
	raw  json.RawMessage
	desc ocispec.Descriptor
	// name is the text by which the image is called, or empty.
	name string
	// ref is what the name means; nil for no name and for one that is no
	// reference.
	ref reference.Named
}

// unusable reports whether the entry has a name that is no reference.
func (e entry) unusable() bool { return e.name != "" && e.ref == nil }

const (
	manifestsKey   = "manifests"
	annotationsKey = "annotations"
)

// parseIndex reads an index: index.json or a blob.
func parseIndex(data []byte) (*index, error) {
	fields, err := parseObject(data)
	if err == nil {
		err = fields.unambiguous("schemaVersion", manifestsKey)
	}
	if err != nil {
		return nil, err
	}
	var version int
	if err := json.Unmarshal(fields.get("schemaVersion"), &version); err != nil || version != 2 {
		return nil, errors.New("it is no index of schema version 2")
	}
	var list []json.RawMessage
	if raw := fields.get(manifestsKey); raw != nil {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, errors.WithMessage(err, "the list of manifests")
		}
	}
	idx := &index{rest: fields}
	for i, raw := range list {
		e, err := parseEntry(raw)
		if err != nil {
			return nil, errors.WithMessagef(err, "manifest %d of the list", i)
		}
		idx.entries = append(idx.entries, e)
	}
	return idx, nil
}

func parseEntry(raw json.RawMessage) (entry, error) {
	e := entry{raw: raw}
	if err := json.Unmarshal(raw, &e.desc); err != nil {
		return entry{}, err
	}
	if string(raw) != "null" { // which is a descriptor of nothing
		fields, err := parseObject(raw)
		if err == nil {
			err = fields.unambiguous("mediaType", "digest", "size", annotationsKey)
		}
		if err != nil {
			return entry{}, err
		}
	}
	if e.name = nameOf(e.desc.Annotations); e.name != "" {
		e.ref, _ = parseName(e.name) // what is no reference is reported where it matters
	}
	return e, nil
}

// with writes the index with these entries in place of its own.
func (idx *index) with(entries []entry) []byte {
	items := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		items[i] = e.raw
	}
	return idx.rest.with(manifestsKey, encodeList(items)).encode()
}

// named returns the entry with these annotations as its name, in place of the
// one it had; nil leaves it without a name.
func (e entry) named(name map[string]string) (entry, error) {
	fields, err := parseObject(e.raw)
	if err != nil {
		return entry{}, err
	}
	notes := object{}
	if raw := fields.get(annotationsKey); raw != nil && string(raw) != "null" {
		if notes, err = parseObject(raw); err != nil {
			return entry{}, err
		}
	}
	for _, key := range []string{ocispec.AnnotationRefName, annotationImageName} {
		notes = notes.without(key)
		if value, ok := name[key]; ok {
			notes = notes.with(key, quote(value))
		}
	}
	fields = fields.with(annotationsKey, notes.encode())
	if len(notes) == 0 {
		fields = fields.without(annotationsKey)
	}
	return parseEntry(fields.encode())
}

// pointing returns the entry with another target of the same sort.
func (e entry) pointing(to digest.Digest, size int64) (entry, error) {
	fields, err := parseObject(e.raw)
	if err != nil {
		return entry{}, err
	}
	number, err := json.Marshal(size)
	if err != nil {
		return entry{}, err
	}
	return parseEntry(fields.with("digest", quote(to.String())).with("size", number).encode())
}
