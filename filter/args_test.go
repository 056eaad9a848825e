package filter_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

// wantError checks that err is an invalid filter with this text, of class
// InvalidArgument.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	var invalid *filter.Error
	if !errors.As(err, &invalid) || !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Fatalf("got error %v, want a *filter.Error of class InvalidArgument", err)
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		texts []string
		want  filter.Args
	}{
		{"none", nil, filter.Args{}},
		{"one", []string{"dangling=true"}, filter.Args{"dangling": {"true"}}},
		{"equals sign in the value", []string{"label=a=b=c"}, filter.Args{"label": {"a=b=c"}}},
		{"empty label value", []string{"label=a="}, filter.Args{"label": {"a="}}},
		{"not label", []string{"label!=x", "label!=y=z"}, filter.Args{"label!": {"x", "y=z"}}},
		{"order", []string{"label=b", "id=abcd", "label=a"}, filter.Args{"label": {"b", "a"}, "id": {"abcd"}}},
		{"twice", []string{"label=b", "label=a", "label=b"}, filter.Args{"label": {"b", "a"}}},
		{"one value under two keys", []string{"label=a", "reference=a"}, filter.Args{"label": {"a"}, "reference": {"a"}}},
		{"spaces are kept", []string{"label= a "}, filter.Args{"label": {" a "}}},
		{"unknown value", []string{"until=banana"}, filter.Args{"until": {"banana"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := filter.Parse(c.texts...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// P4: unknown and empty filters are refused.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":               "invalid filters: not of the form key=value",
		"dangling":       "invalid filter 'dangling': not of the form key=value",
		"=x":             "invalid filter '=x': empty key",
		"=":              "invalid filters: empty key",
		"label=":         "invalid filter 'label': empty value",
		"label= ":        "invalid filter 'label= ': empty value",
		"colour=red":     "invalid filter 'colour'",
		"colour=":        "invalid filter 'colour'",
		"Label=a":        "invalid filter 'Label'",
		" label=a":       "invalid filter ' label'",
		"label!!=a":      "invalid filter 'label!!'",
		"label=\xff":     "invalid filter 'label=\xff': not valid UTF-8",
		"reference!=app": "invalid filter 'reference!'",
	} {
		t.Run(text, func(t *testing.T) {
			args, err := filter.Parse("label=good", text)
			wantError(t, err, want)
			if args != nil {
				t.Errorf("got %v with the error, want nil", args)
			}
		})
	}
}

func TestKeyValues(t *testing.T) {
	args := filter.Args{"until": {"1h"}, "label": {"b=1", "a"}, "label!": {"c="}}
	got := args.KeyValues()
	if diff := cmp.Diff(got, []string{"label=b=1", "label=a", "label!=c=", "until=1h"}); diff != "" {
		t.Error(diff)
	}
	back, err := filter.Parse(got...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(back, args); diff != "" {
		t.Error(diff)
	}
}

func TestKeysAreAllUnderstood(t *testing.T) {
	for _, key := range filter.Keys() {
		if _, err := filter.Parse(key + "=x"); err != nil {
			t.Error(err)
		}
	}
}
