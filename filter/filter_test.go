package filter_test

import (
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

func newFilter(t *testing.T, args filter.Args) *filter.Filter {
	t.Helper()
	f, err := filter.New(args, now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// anImage is two hours old, has the label a=1 and two references.
func anImage(t testing.TB) (imagestore.Image, []reference.Named) {
	t.Helper()
	return imagestore.Image{
		ID:      digest.Digest("sha256:" + hex),
		Created: now.Add(-2 * time.Hour),
		Labels:  map[string]string{"a": "1"},
	}, []reference.Named{named(t, "app:1.0"), named(t, "registry.example.com/app:1.0")}
}

// P4: the keys that an image and its references decide.
func TestMatch(t *testing.T) {
	img, refs := anImage(t)
	for _, c := range []struct {
		name string
		args filter.Args
		want string // the key that fails
	}{
		{"no filters", nil, ""},
		{"every key", filter.Args{"id": {hex}, "reference": {"app"}, "label": {"a"}, "label!": {"b"}, "until": {"1h"}}, ""},

		{"until", filter.Args{"until": {"1h"}}, ""},
		{"too young", filter.Args{"until": {"3h"}}, "until"},

		{"reference", filter.Args{"reference": {"app:1.*"}}, ""},
		{"second reference", filter.Args{"reference": {"registry.example.com/*"}}, ""},
		{"several references are alternatives", filter.Args{"reference": {"tool", "app"}}, ""},
		{"no reference", filter.Args{"reference": {"tool", "app:2.0"}}, "reference"},

		{"full ID", filter.Args{"id": {"sha256:" + hex}}, ""},
		{"hex of the ID", filter.Args{"id": {hex}}, ""},
		{"prefix", filter.Args{"id": {"5b0b"}}, ""},
		{"prefix with the algorithm", filter.Args{"id": {"sha256:5b0bc"}}, ""},
		{"several IDs are alternatives", filter.Args{"id": {"ffff", "5b0bcabd1ed2"}}, ""},
		{"another ID", filter.Args{"id": {"ffff", "b0bc", "sha512:5b0b"}}, "id"},

		{"dangling is for the caller", filter.Args{"dangling": {"true"}}, ""},
		{"before and since are for the caller", filter.Args{"before": {"tool"}, "since": {"app"}}, ""},

		{"all fail", filter.Args{"id": {"ffff"}, "reference": {"t"}, "label": {"b"}, "label!": {"a"}, "until": {"3h"}}, "id"},
		{"all but id", filter.Args{"reference": {"t"}, "label": {"b"}, "label!": {"a"}, "until": {"3h"}}, "label"},
		{"label!, until and reference", filter.Args{"reference": {"t"}, "label!": {"a"}, "until": {"3h"}}, "label!"},
		{"until and reference", filter.Args{"reference": {"t"}, "until": {"3h"}}, "until"},
		{"reference alone", filter.Args{"reference": {"t"}, "label": {"a"}}, "reference"},
		{"one of two", filter.Args{"label": {"a"}, "until": {"3h"}}, "until"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ok, got := newFilter(t, c.args).Match(img, refs)
			if got != c.want || ok != (c.want == "") {
				t.Errorf("got %v %q, want %q", ok, got, c.want)
			}
		})
	}
}

func TestMatchWithoutReferences(t *testing.T) {
	img, _ := anImage(t)
	if ok, key := newFilter(t, filter.Args{"reference": {"*"}}).Match(img, nil); ok || key != filter.Reference {
		t.Errorf("got %v %q, want false %q", ok, key, filter.Reference)
	}
}

func TestZeroFilter(t *testing.T) {
	img, refs := anImage(t)
	var f filter.Filter
	if ok, key := f.Match(img, refs); !ok {
		t.Errorf("got false %q, want true", key)
	}
}

func TestDangling(t *testing.T) {
	for _, c := range []struct {
		values      []string
		want, given bool
	}{
		{nil, false, false},
		{[]string{"true"}, true, true},
		{[]string{"1"}, true, true},
		{[]string{"false"}, false, true},
		{[]string{"0"}, false, true},
		{[]string{"true", "1"}, true, true},
		{[]string{"0", "false"}, false, true},
	} {
		args := filter.Args{}
		if c.values != nil {
			args["dangling"] = c.values
		}
		if want, given := newFilter(t, args).Dangling(); want != c.want || given != c.given {
			t.Errorf("%q: got %v, %v, want %v, %v", c.values, want, given, c.want, c.given)
		}
	}
}

func TestForTheCaller(t *testing.T) {
	f := newFilter(t, filter.Args{"before": {"tool:1"}, "since": {"app", "app"}, "id": {"5b0b", "ffff"}})
	if f.Before() != "tool:1" || f.Since() != "app" {
		t.Errorf("got before %q and since %q, want tool:1 and app", f.Before(), f.Since())
	}
	ids := f.IDs()
	ids[0] = "changed"
	if diff := cmp.Diff(f.IDs(), []string{"5b0b", "ffff"}); diff != "" {
		t.Error(diff)
	}
	none := newFilter(t, nil)
	if none.Before() != "" || none.Since() != "" || none.IDs() != nil {
		t.Errorf("got %q, %q and %q, want nothing", none.Before(), none.Since(), none.IDs())
	}
}

// P4: everything that is wrong is named with its key and value.
func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		args filter.Args
		want string
	}{
		{filter.Args{"colour": {"red"}}, "invalid filter 'colour'"},
		{filter.Args{"": {"red"}}, "invalid filter '=red': empty key"},
		{filter.Args{"label": nil}, "invalid filter 'label': empty value"},
		{filter.Args{"label": {"a", ""}}, "invalid filter 'label': empty value"},
		{filter.Args{"label": {"=a"}}, "invalid filter 'label==a': label without a key"},
		{filter.Args{"label!": {"="}}, "invalid filter 'label!==': label without a key"},
		{filter.Args{"label": {"\xff"}}, "invalid filter 'label=\xff': not valid UTF-8"},

		{filter.Args{"dangling": {"banana"}}, "invalid filter 'dangling=banana': neither true, 1, false nor 0"},
		{filter.Args{"dangling": {"TRUE"}}, "invalid filter 'dangling=TRUE': neither true, 1, false nor 0"},
		{filter.Args{"dangling": {"true", "1", "0"}}, "invalid filter 'dangling=0': contradicts 'dangling=true'"},

		{filter.Args{"until": {"1h", "2h"}}, "invalid filter 'until=2h': more than one until filter specified"},
		{filter.Args{"before": {"a", "b"}}, "invalid filter 'before=b': more than one before filter specified"},
		{filter.Args{"since": {"a", "b"}}, "invalid filter 'since=b': more than one since filter specified"},
		{filter.Args{"before": {"a"}, "since": {"a"}}, "invalid filter 'since=a': contradicts 'before=a'"},

		{filter.Args{"id": {"abc"}}, invalidID("abc")},
		{filter.Args{"id": {"ABCD"}}, invalidID("ABCD")},
		{filter.Args{"id": {"app:1.0"}}, invalidID("app:1.0")},
		{filter.Args{"id": {"sha256:"}}, invalidID("sha256:")},
		{filter.Args{"id": {"sha256:abc"}}, invalidID("sha256:abc")},
		{filter.Args{"id": {"md5:abcd"}}, invalidID("md5:abcd")},
		{filter.Args{"id": {"sha256:" + hex + "0"}}, invalidID("sha256:" + hex + "0")},
		{filter.Args{"id": {hex + hex + "0"}}, invalidID(hex + hex + "0")},
	} {
		_, err := filter.New(c.args, now)
		wantError(t, err, c.want)
	}
}

func invalidID(text string) string {
	return "invalid filter 'id=" + text + "': neither an image ID nor at least 4 hex digits of one"
}

// New refuses with a reason or gives a filter that can be asked, and which the
// same filters make again from either written form. Two keys together let no
// more images pass than each alone.
func FuzzNew(f *testing.F) {
	for _, seed := range [][2]string{
		{"label=a", "label!=a=1"},
		{"until=24h", "until=2024-01-02T15:04:05.5Z"},
		{"reference=a*", "reference=[x"},
		{"dangling=1", "id=5b0b"},
		{"before=a", "since=b"},
		{"until=1136073600.000000001", "colour=red"},
		{"label==", "="},
		{"label=\xff", "label"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		args, err := filter.Parse(first, second)
		if err != nil {
			wantError(t, err, err.Error())
			return
		}
		both, err := filter.New(args, now)
		if err != nil {
			wantError(t, err, err.Error())
			return
		}
		img, refs := anImage(t)
		ok, key := both.Match(img, refs)
		if ok != (key == "") {
			t.Errorf("got %v with the key %q", ok, key)
		}
		checkAgain(t, args, ok, key)
		if a, b := alone(t, first), alone(t, second); ok && (!a || !b) && len(args) == 2 {
			t.Errorf("%q and %q pass together, alone %v and %v", first, second, a, b)
		}
	})
}

// checkAgain compares what the filters answer when they come from JSON.
func checkAgain(t *testing.T, args filter.Args, wantOK bool, wantKey string) {
	t.Helper()
	text, err := args.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := filter.ParseJSON(string(text))
	if err != nil {
		t.Fatal(err)
	}
	img, refs := anImage(t)
	if ok, key := newFilter(t, again).Match(img, refs); ok != wantOK || key != wantKey {
		t.Errorf("from %s: got %v %q, want %v %q", text, ok, key, wantOK, wantKey)
	}
}

// alone reports whether an image passes this filter by itself.
func alone(t *testing.T, text string) bool {
	t.Helper()
	args, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	img, refs := anImage(t)
	ok, _ := newFilter(t, args).Match(img, refs)
	return ok
}

// BenchmarkMatch asks about an image that fails the last key.
func BenchmarkMatch(b *testing.B) {
	img, refs := anImage(b)
	f, err := filter.New(filter.Args{"reference": {"registry.example.com/*:1.?"}, "label": {"a=1"}, "until": {"3h"}}, now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := f.Match(img, refs); ok {
			b.Fatal("passes")
		}
	}
}
