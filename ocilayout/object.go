package ocilayout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An object is a JSON object whose fields keep their order and their bytes, so
// that what we do not understand survives a change of what we do.
type object []field

type field struct {
	key   string
	raw   json.RawMessage // the key as it is written
	value json.RawMessage
}

var errNoObject = errors.New("not a JSON object")

// parseObject reads one JSON object and nothing after it.
func parseObject(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	start, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if start != json.Delim('{') {
		return nil, errNoObject
	}
	fields := object{}
	for dec.More() {
		at := dec.InputOffset()
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		raw := bytes.TrimLeft(data[at:dec.InputOffset()], ", \t\r\n")
		name, _ := key.(string) // the decoder takes nothing else for a key
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		fields = append(fields, field{name, raw, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("text after the JSON object")
	}
	return fields, nil
}

// get returns the value of the last field of this key, which is the one that
// counts, or nil.
func (o object) get(key string) json.RawMessage {
	for _, f := range slices.Backward(o) {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// unambiguous returns an error when one of the keys is there twice or in
// another case: of those, tools do not all read the same one.
func (o object) unambiguous(keys ...string) error {
	for i, f := range o {
		for _, key := range keys {
			if !strings.EqualFold(f.key, key) {
				continue
			}
			if f.key != key || slices.ContainsFunc(o[:i], func(other field) bool { return other.key == key }) {
				return fmt.Errorf("the key %q is there twice or in another case", f.key)
			}
		}
	}
	return nil
}

// with returns the object with this value under the key, at the place of the
// field that it replaces or else at the end.
func (o object) with(key string, value json.RawMessage) object {
	changed := slices.Clone(o)
	for i := range slices.Backward(changed) {
		if changed[i].key == key {
			changed[i].value = value
			return changed
		}
	}
	return append(changed, field{key, quote(key), value})
}

// without returns the object without the fields of this key.
func (o object) without(key string) object {
	return slices.DeleteFunc(slices.Clone(o), func(f field) bool { return f.key == key })
}

// encode writes the object.
func (o object) encode() json.RawMessage {
	out := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, f.raw...), ':'), f.value...)
	}
	return append(out, '}')
}

// encodeList writes a JSON array.
func encodeList(items []json.RawMessage) json.RawMessage {
	return slices.Concat([]byte{'['}, bytes.Join(asBytes(items), []byte{','}), []byte{']'})
}

func asBytes(items []json.RawMessage) [][]byte {
	all := make([][]byte, len(items))
	for i, item := range items {
		all[i] = item
	}
	return all
}

// quote writes a JSON string.
func quote(s string) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
}
