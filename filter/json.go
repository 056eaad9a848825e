package filter

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pkg/errors"
)

// ParseJSON reads filters as Docker's API takes them: an object with an object
// of values for each key, each of them true, as in {"label":{"a=b":true}}. The
// older form with a list of values, {"label":["a=b"]}, is read too. The empty
// text and {} are no filters. Values keep their order; one given twice counts
// once.
//
// The error is an [*Error] for anything else: an unknown key, a key given twice
// or without values, an empty value, one that is not true, text that is not
// JSON. What a value means is left to [New].
func ParseJSON(data string) (Args, error) {
	if data == "" {
		return Args{}, nil
	}
	if !utf8.ValidString(data) { // the decoder would put other characters in its place
		return nil, &Error{Err: errNotUTF8}
	}
	d := decoder{json.NewDecoder(strings.NewReader(data)), newCollector()}
	if err := d.filters(); err != nil {
		return nil, invalid("", "", err)
	}
	if err := d.given.args.check(); err != nil {
		return nil, err
	}
	return d.given.args, nil
}

// MarshalJSON writes the form that [ParseJSON] reads: sorted by key, the values
// of a key in their order. Nil gives {}. There is no error.
func (a Args) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(a)) {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(quote(key))
		out.WriteString(":{")
		for j, value := range a[key] {
			if j > 0 {
				out.WriteByte(',')
			}
			out.Write(quote(value))
			out.WriteString(":true")
		}
		out.WriteByte('}')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON is [ParseJSON] for filters inside another value. As usual, null
// changes nothing.
func (a *Args) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	args, err := ParseJSON(string(data))
	if err == nil {
		*a = args
	}
	return err
}

// quote returns s as JSON.
func quote(s string) []byte {
	text, _ := json.Marshal(s) // a string always has a JSON form
	return text
}

// invalid returns err as an [*Error] about the key and the value, unless it is
// one already.
func invalid(key, value string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Key: key, Value: value, Err: err}
}

// A decoder reads JSON token by token: decoding into a map would lose keys that
// are given twice, and the order of the values.
type decoder struct {
	json  *json.Decoder
	given collector
}

// filters reads the object that is the whole text.
func (d decoder) filters() error {
	first, err := d.token()
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for d.json.More() {
		if err := d.filter(); err != nil {
			return err
		}
	}
	if _, err := d.token(); err != nil {
		return err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the JSON object")
	}
	return nil
}

// filter reads one key and its values, in either form.
func (d decoder) filter() error {
	key, err := d.text()
	if err != nil {
		return err
	}
	if _, ok := d.given.args[key]; ok {
		return &Error{Key: key, Err: errTwice}
	}
	d.given.args[key] = nil // a key without values is found by the check
	form, err := d.token()
	if err != nil {
		return invalid(key, "", err)
	}
	if form != json.Delim('{') && form != json.Delim('[') {
		return &Error{Key: key, Err: errNotValues}
	}
	for d.json.More() {
		value, err := d.text()
		if err == nil && form == json.Delim('{') {
			err = d.isTrue()
		}
		if err != nil {
			return invalid(key, value, err)
		}
		d.given.add(key, value)
	}
	if _, err := d.token(); err != nil {
		return invalid(key, "", err)
	}
	return nil
}

// text reads a string.
func (d decoder) text() (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", errors.Errorf("%v is not a string", token)
	}
	return text, nil
}

// isTrue reads what stands beside a value.
func (d decoder) isTrue() error {
	token, err := d.token()
	if err == nil && token != true {
		return errNotTrue
	}
	return err
}

// token reads a token where there must be one.
func (d decoder) token() (json.Token, error) {
	token, err := d.json.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return token, err
}
