package filter_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/filter"
)

func TestParseJSON(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       filter.Args
	}{
		{"empty text", ``, filter.Args{}},
		{"empty object", `{}`, filter.Args{}},
		{"object", `{"label":{"a=b":true}}`, filter.Args{"label": {"a=b"}}},
		{"list", `{"label":["a=b"]}`, filter.Args{"label": {"a=b"}}},
		{"both forms", `{"label":{"a":true},"until":["1h"]}`, filter.Args{"label": {"a"}, "until": {"1h"}}},
		{"order of an object", `{"label":{"b":true,"a":true}}`, filter.Args{"label": {"b", "a"}}},
		{"order of a list", `{"label":["b","a"]}`, filter.Args{"label": {"b", "a"}}},
		{"twice in a list", `{"label":["b","a","b"]}`, filter.Args{"label": {"b", "a"}}},
		{"twice in an object", `{"label":{"a":true,"a":true}}`, filter.Args{"label": {"a"}}},
		{"space", " {\n\"label!\" : { \"a\" : true } }\n", filter.Args{"label!": {"a"}}},
		{"escapes", `{"label":{"\u0061=\"\u003c":true}}`, filter.Args{"label": {`a="<`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := filter.ParseJSON(c.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// P4: what is not understood is refused, and nothing is dropped unseen.
func TestParseJSONRefuses(t *testing.T) {
	for data, want := range map[string]string{
		`null`:                                  "invalid filters: not a JSON object",
		`[]`:                                    "invalid filters: not a JSON object",
		`"label=a"`:                             "invalid filters: not a JSON object",
		`{`:                                     "invalid filters: unexpected EOF",
		` `:                                     "invalid filters: unexpected EOF",
		`{"label"`:                              "invalid filter 'label': unexpected EOF",
		`{"label":{"a":true}`:                   "invalid filters: unexpected EOF",
		`{"label":{"a":true`:                    "invalid filter 'label': unexpected EOF",
		`{"label":{"a"`:                         "invalid filter 'label=a': unexpected EOF",
		`{} {}`:                                 "invalid filters: more text after the JSON object",
		`{}x`:                                   "invalid filters: more text after the JSON object",
		`{"label":{"a":true},"label":{}}`:       "invalid filter 'label': key given twice",
		`{"label":{"a":false}}`:                 "invalid filter 'label=a': not true",
		`{"label":{"a":1}}`:                     "invalid filter 'label=a': not true",
		`{"label":{"a":"true"}}`:                "invalid filter 'label=a': not true",
		`{"label":{"a":{"b":true}}}`:            "invalid filter 'label=a': not true",
		`{"label":[1]}`:                         "invalid filter 'label': 1 is not a string",
		`{"label":[["a"]]}`:                     "invalid filter 'label': [ is not a string",
		`{"label":"a"}`:                         "invalid filter 'label': neither an object nor a list of values",
		`{"label":null}`:                        "invalid filter 'label': neither an object nor a list of values",
		`{"label":{}}`:                          "invalid filter 'label': empty value",
		`{"label":[]}`:                          "invalid filter 'label': empty value",
		`{"label":[""]}`:                        "invalid filter 'label': empty value",
		`{"":["a"]}`:                            "invalid filter '=a': empty key",
		`{"colour":{"red":true}}`:               "invalid filter 'colour'",
		`{"until":{"1h":true},"Until":["2h"]}`:  "invalid filter 'Until'",
		"{\"label\":[\"\xff\"]}":                "invalid filters: not valid UTF-8",
		`{"label":{"a":true},"colour":["red"]}`: "invalid filter 'colour'",
	} {
		t.Run(data, func(t *testing.T) {
			args, err := filter.ParseJSON(data)
			wantError(t, err, want)
			if args != nil {
				t.Errorf("got %v with the error, want nil", args)
			}
		})
	}
}

// The parser's own reason is kept.
func TestParseJSONRefusesWhatIsNotJSON(t *testing.T) {
	for _, data := range []string{`x`, `{1:[]}`, `{"label":[}`, `{"label":[a]}`, `{"label":{"a" true}}`, `{"label":["a"]]`} {
		_, err := filter.ParseJSON(data)
		var syntax *json.SyntaxError
		if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), "invalid filter") {
			t.Errorf("%s: got %v, want a *json.SyntaxError in a *filter.Error", data, err)
		}
		wantError(t, err, err.Error())
	}
}

func TestMarshalJSON(t *testing.T) {
	for _, c := range []struct {
		args filter.Args
		want string
	}{
		{nil, `{}`},
		{filter.Args{}, `{}`},
		{filter.Args{"until": {"1h"}, "label": {"b=1", "a"}}, `{"label":{"b=1":true,"a":true},"until":{"1h":true}}`},
	} {
		got, err := json.Marshal(c.args)
		if err != nil || string(got) != c.want {
			t.Errorf("got %s (%v), want %s", got, err, c.want)
		}
	}
}

func TestUnmarshalJSON(t *testing.T) {
	var request struct{ Filters filter.Args }
	if err := json.Unmarshal([]byte(`{"Filters":{"label":["a"]}}`), &request); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"Filters":null}`), &request); err != nil {
		t.Fatal(err)
	}
	err := json.Unmarshal([]byte(`{"Filters":{"colour":["red"]}}`), &request)
	wantError(t, err, "invalid filter 'colour'")
	if diff := cmp.Diff(request.Filters, filter.Args{"label": {"a"}}); diff != "" {
		t.Error(diff)
	}
}

// What ParseJSON accepts comes back the same from both written forms.
func FuzzParseJSON(f *testing.F) {
	for _, data := range []string{
		``, `{}`, `null`, `{"label":{"a=b":true,"<":true}}`, `{"label!":["a","b=\u2028"]}`, `{"label":["a"],"label":["b"]}`,
		`{"until":{"24h":true},"reference":{"app:*":true}}`, `{"dangling":{"true":false}}`, `{"id":["\ud800"]}`, `{"label":[`,
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		args, err := filter.ParseJSON(data)
		if err != nil {
			wantError(t, err, err.Error())
			return
		}
		text, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		again, err := filter.ParseJSON(string(text))
		if diff := cmp.Diff(again, args); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
		again, err = filter.Parse(args.KeyValues()...)
		if diff := cmp.Diff(again, args); err != nil || diff != "" {
			t.Errorf("%q: %v %s", args.KeyValues(), err, diff)
		}
	})
}
