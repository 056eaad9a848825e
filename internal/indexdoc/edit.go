// Package indexdoc changes the documents of image indexes and leaves every byte
// that the change is not about as it was: unknown fields, annotations, order and
// white space. It also says what the images of an index have in common.
package indexdoc

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
)

// A Change is what becomes of the entries of a digest.
type Change struct {
	// Digest and Size take the place of the entry's own. An empty Digest means
	// that the entry goes.
	Digest digest.Digest
	Size   int64
}

// Edit returns the document with its entries changed, by their digest. Each that
// stays keeps what stood between it and the entry before it, and the first one
// what stood before the first. What is listed in changes and not in the document
// is no error, and without a change in it the document is returned as it is.
//
// The error says what is wrong with the document: it is no JSON object with a
// list of entries, or has a field of those that count twice or in another case,
// so that readers do not agree what it says.
func Edit(doc []byte, changes map[digest.Digest]Change) ([]byte, error) {
	parsed, err := parse(doc)
	if err != nil {
		return nil, err
	}
	kept := make([]piece, 0, len(parsed.entries))
	changed := false
	for _, e := range parsed.entries {
		change, ok := changes[e.digest]
		if ok && change.Digest == "" {
			changed = true
			continue
		}
		if ok {
			if e.text, err = rewrite(e.text, change); err != nil {
				return nil, err
			}
			changed = true
		}
		kept = append(kept, e)
	}
	if !changed {
		return doc, nil
	}
	return splice(doc, parsed.list, parsed.join(kept)), nil
}

// Entries returns the digests of the entries of a document, in its order. Errors
// are those of [Edit].
func Entries(doc []byte) ([]digest.Digest, error) {
	parsed, err := parse(doc)
	if err != nil {
		return nil, err
	}
	var found []digest.Digest
	for _, e := range parsed.entries {
		found = append(found, e.digest)
	}
	return found, nil
}

// document is an index taken apart.
type document struct {
	list    span // where its list stands, with the brackets
	entries []piece
	end     []byte // what stands after the last entry
}

// A piece is an entry of a list.
type piece struct {
	before []byte // what stands between it and the one before it
	text   []byte
	digest digest.Digest
}

const listKey = "manifests"

// parse takes an index apart. One without a list, or with null in its place, has
// no entries.
func parse(doc []byte) (document, error) {
	if !json.Valid(doc) {
		return document{}, errors.New("it is no JSON")
	}
	list, err := member(doc, listKey)
	if err != nil || list.end == 0 || string(list.of(doc)) == "null" {
		return document{}, err
	}
	parsed := document{list: list}
	text := list.of(doc)
	spans, err := elements(text)
	if err != nil {
		return document{}, errors.WithMessagef(err, "%q", listKey)
	}
	at := 0
	for _, s := range spans {
		entry := piece{before: text[at:s.start], text: s.of(text)}
		if entry.digest, err = digestOf(entry.text); err != nil {
			return document{}, err
		}
		parsed.entries = append(parsed.entries, entry)
		at = s.end
	}
	parsed.end = text[at:]
	return parsed, nil
}

// join puts a list together of entries that are left.
func (d document) join(kept []piece) []byte {
	if len(kept) == 0 {
		return []byte("[]")
	}
	var joined []byte
	for i, e := range kept {
		if i == 0 {
			e.before = d.entries[0].before
		}
		joined = append(append(joined, e.before...), e.text...)
	}
	return append(joined, d.end...)
}

const (
	digestKey = "digest"
	sizeKey   = "size"
)

// digestOf returns the digest of an entry.
func digestOf(entry []byte) (digest.Digest, error) {
	at, err := member(entry, digestKey)
	if err != nil || at.end == 0 {
		return "", err
	}
	var text digest.Digest
	err = json.Unmarshal(at.of(entry), &text)
	return text, err
}

// rewrite gives an entry another digest and size.
func rewrite(entry []byte, change Change) ([]byte, error) {
	for name, value := range map[string]string{
		digestKey: strconv.Quote(change.Digest.String()), sizeKey: strconv.FormatInt(change.Size, 10),
	} {
		at, err := member(entry, name)
		if err != nil {
			return nil, err
		}
		if at.end == 0 {
			return nil, errors.Errorf("an entry has no %q", name)
		}
		entry = splice(entry, at, []byte(value))
	}
	return entry, nil
}

// A span is where a value stands in a text.
type span struct{ start, end int }

func (s span) of(text []byte) []byte { return text[s.start:s.end] }

func splice(text []byte, at span, value []byte) []byte {
	changed := make([]byte, 0, len(text)-(at.end-at.start)+len(value))
	changed = append(changed, text[:at.start]...)
	changed = append(changed, value...)
	return append(changed, text[at.end:]...)
}

// member finds the value of a member of an object; the zero span when there is
// none. A member that is there twice, or in another case, is an error: of those,
// readers do not all take the same one.
func member(object []byte, name string) (span, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if err := open(dec, '{'); err != nil {
		return span{}, err
	}
	var found span
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return span{}, err
		}
		at, err := value(dec)
		if err != nil {
			return span{}, err
		}
		key, _ := token.(string) // the decoder takes nothing else for a key
		if !bytes.EqualFold([]byte(key), []byte(name)) {
			continue
		}
		if key != name || found.end > 0 {
			return span{}, errors.Errorf("the key %q is there twice or in another case", key)
		}
		found = at
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
