package filter_test

import (
	"testing"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// P4: several "label" are all needed, each "label!" excludes by itself, and an
// image without a configuration has no labels.
func TestLabels(t *testing.T) {
	labels := map[string]string{"stage": "build", "empty": "", "sum": "a=b"}
	for _, c := range []struct {
		filters []string
		labels  map[string]string
		want    string // the key that fails
	}{
		{[]string{"label=stage"}, labels, ""},
		{[]string{"label=stage=build"}, labels, ""},
		{[]string{"label=stage=buil"}, labels, "label"},
		{[]string{"label=stage="}, labels, "label"},
		{[]string{"label=empty="}, labels, ""},
		{[]string{"label=empty"}, labels, ""},
		{[]string{"label=sum=a=b"}, labels, ""},
		{[]string{"label=sum=a"}, labels, "label"},
		{[]string{"label=missing"}, labels, "label"},
		{[]string{"label=missing="}, labels, "label"},
		{[]string{"label=stag"}, labels, "label"},
		{[]string{"label=stage", "label=empty"}, labels, ""},
		{[]string{"label=stage", "label=missing"}, labels, "label"},
		{[]string{"label=missing", "label=stage"}, labels, "label"},

		{[]string{"label!=stage"}, labels, "label!"},
		{[]string{"label!=stage=build"}, labels, "label!"},
		{[]string{"label!=stage=other"}, labels, ""},
		{[]string{"label!=missing"}, labels, ""},
		{[]string{"label!=missing", "label!=stage"}, labels, "label!"},
		{[]string{"label!=stage", "label!=missing"}, labels, "label!"},
		{[]string{"label!=missing", "label!=absent"}, labels, ""},

		{[]string{"label=stage", "label!=missing"}, labels, ""},
		{[]string{"label=empty", "label!=stage=build"}, labels, "label!"},
		{[]string{"label=missing", "label!=stage"}, labels, "label"},

		{[]string{"label=stage"}, nil, "label"},
		{[]string{"label=stage="}, nil, "label"},
		{[]string{"label!=stage"}, nil, ""},
	} {
		args, err := filter.Parse(c.filters...)
		if err != nil {
			t.Fatal(err)
		}
		ok, got := newFilter(t, args).Match(imagestore.Image{Labels: c.labels}, nil)
		if got != c.want || ok != (c.want == "") {
			t.Errorf("%q on %v: got %v %q, want %q", c.filters, c.labels, ok, got, c.want)
		}
	}
}

// Filters that no image can pass are refused; those that look alike are not.
func TestContradictoryLabels(t *testing.T) {
	for _, c := range []struct {
		required, excluded []string
		want               string
	}{
		{[]string{"a=1", "a=2"}, nil, "invalid filter 'label=a=2': contradicts 'label=a=1'"},
		{[]string{"a=1", "a", "a="}, nil, "invalid filter 'label=a=': contradicts 'label=a=1'"},
		{[]string{"a"}, []string{"b", "a"}, "invalid filter 'label!=a': contradicts 'label=a'"},
		{[]string{"a=1"}, []string{"a"}, "invalid filter 'label!=a': contradicts 'label=a=1'"},
		{[]string{"a", "a=1"}, []string{"a=1"}, "invalid filter 'label!=a=1': contradicts 'label=a=1'"},
		{[]string{"a"}, []string{"a=1"}, ""},
		{[]string{"a=1"}, []string{"a=2"}, ""},
		{[]string{"a="}, []string{"a=2"}, ""},
		{[]string{"a=1", "a"}, []string{"a=2"}, ""},
		{[]string{"a=1", "a=1"}, nil, ""},
		{[]string{"a"}, []string{"b"}, ""},
	} {
		args := filter.Args{}
		if c.required != nil {
			args["label"] = c.required
		}
		if c.excluded != nil {
			args["label!"] = c.excluded
		}
		switch _, err := filter.New(args, now); {
		case c.want != "":
			wantError(t, err, c.want)
		case err != nil:
			t.Errorf("%v: %v", args, err)
		}
	}
}
