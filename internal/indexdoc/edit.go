// Package indexdoc changes the document of an image index, or an index.json, and
// leaves every byte of it that the change is not about as it was: unknown fields,
// annotations, order and white space.
package indexdoc

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
)

// A Change is what becomes of the entries of a digest.
type Change struct {
	// Digest and Size take the place of the entry's own. An empty Digest means
	// that the entry goes.
	Digest digest.Digest
	Size   int64
}

// Edit returns the document with its entries changed, by their digest. What is
// listed in changes and not in the document is no error. The error says what is
// wrong with the document.
func Edit(doc []byte, changes map[digest.Digest]Change) ([]byte, error) {
	list, err := member(doc, "manifests")
	if err != nil {
		return nil, err
	}
	entries, err := elements(list.of(doc))
	if err != nil {
		return nil, err
	}
	kept, err := keep(list.of(doc), entries, changes)
	if err != nil {
		return nil, err
	}
	return splice(doc, list, join(list.of(doc), entries, kept)), nil
}

// keep returns the entries that stay, changed.
func keep(list []byte, entries []span, changes map[digest.Digest]Change) ([][]byte, error) {
	var kept [][]byte
	for _, at := range entries {
		entry := at.of(list)
		var desc ocispec.Descriptor
		if err := json.Unmarshal(entry, &desc); err != nil {
			return nil, err
		}
		change, ok := changes[desc.Digest]
		switch {
		case !ok:
		case change.Digest == "":
			continue
		default:
			var err error
			if entry, err = rewrite(entry, change); err != nil {
				return nil, err
			}
		}
		kept = append(kept, entry)
	}
	return kept, nil
}

// rewrite gives an entry another digest and size.
func rewrite(entry []byte, change Change) ([]byte, error) {
	for name, value := range map[string]string{"digest": strconv.Quote(change.Digest.String()), "size": strconv.FormatInt(change.Size, 10)} {
		at, err := member(entry, name)
		if err != nil {
			return nil, err
		}
		entry = splice(entry, at, []byte(value))
	}
	return entry, nil
}

// join puts a list together again, with what stood before its first entry,
// between the first two and after the last one.
func join(list []byte, entries []span, kept [][]byte) []byte {
	if len(entries) == 0 || len(kept) == 0 {
		return []byte("[]")
	}
	between := []byte(",")
	if len(entries) > 1 {
		between = list[entries[0].end:entries[1].start]
	}
	joined := append([]byte{}, list[:entries[0].start]...)
	joined = append(joined, bytes.Join(kept, between)...)
	return append(joined, list[entries[len(entries)-1].end:]...)
}

// A span is where a value stands in a text.
type span struct{ start, end int }

func (s span) of(text []byte) []byte { return text[s.start:s.end] }

func splice(text []byte, at span, value []byte) []byte {
	changed := append([]byte{}, text[:at.start]...)
	changed = append(changed, value...)
	return append(changed, text[at.end:]...)
}

// member finds the value of a member of an object. Of several with one name the
// last counts, as it does for encoding/json.
func member(object []byte, name string) (span, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if err := open(dec, '{'); err != nil {
		return span{}, err
	}
	var found span
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return span{}, err
		}
		at, err := value(dec)
		if err != nil {
			return span{}, err
		}
		if key == name {
			found = at
		}
	}
	if found.end == 0 {
		return span{}, errors.Errorf("it has no %q", name)
	}
	return found, nil
}

// elements finds the values of a list.
func elements(list []byte) ([]span, error) {
	dec := json.NewDecoder(bytes.NewReader(list))
	if err := open(dec, '['); err != nil {
		return nil, err
	}
	var found []span
	for dec.More() {
		at, err := value(dec)
		if err != nil {
			return nil, err
		}
		found = append(found, at)
	}
	return found, nil
}

func open(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err == nil && got != want {
		err = errors.Errorf("want %s, got %v", want, got)
	}
	return err
}

// value reads the next value and says where it stands.
func value(dec *json.Decoder) (span, error) {
	var raw json.RawMessage
	err := dec.Decode(&raw)
	end := int(dec.InputOffset())
	return span{end - len(raw), end}, err
}
