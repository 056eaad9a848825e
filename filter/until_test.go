package filter_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests do not depend on the machine's zones

	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// now is a time in a zone of its own, so that local time is not UTC.
var now = time.Date(2024, 7, 15, 12, 30, 45, 500, time.FixedZone("", 2*60*60))

// P4: an image passes when it was created strictly before the time.
func TestUntil(t *testing.T) {
	utc := func(year int, month time.Month, day, hour, minute, sec, nsec int) time.Time {
		return time.Date(year, month, day, hour, minute, sec, nsec, time.UTC)
	}
	for text, want := range map[string]time.Time{
		"24h":   now.Add(-24 * time.Hour),
		"10m":   now.Add(-10 * time.Minute),
		"1h30m": now.Add(-90 * time.Minute),
		"1.5s":  now.Add(-1500 * time.Millisecond),
		"1ns":   now.Add(-1),
		"0s":    now,
		"+1h":   now.Add(-time.Hour),

		"2024-01-02T15:04:05.999999999Z":      utc(2024, 1, 2, 15, 4, 5, 999999999),
		"2024-01-02T15:04:05.999999999+07:00": utc(2024, 1, 2, 8, 4, 5, 999999999),
		"2024-01-02T15:04:05.5-07:00":         utc(2024, 1, 2, 22, 4, 5, 500000000),
		"2024-01-02T15:04:05Z":                utc(2024, 1, 2, 15, 4, 5, 0),
		"2024-01-02T15:04:05-07:00":           utc(2024, 1, 2, 22, 4, 5, 0),
		"2024-01-02T15:04Z":                   utc(2024, 1, 2, 15, 4, 0, 0),
		"2024-01-02T15:04+07:00":              utc(2024, 1, 2, 8, 4, 0, 0),
		"2024-01-02T15:04-07:00":              utc(2024, 1, 2, 22, 4, 0, 0),
		"2024-01-02T15Z":                      utc(2024, 1, 2, 15, 0, 0, 0),
		"2024-01-02T15-07:00":                 utc(2024, 1, 2, 22, 0, 0, 0),
		"2024-01-02Z":                         utc(2024, 1, 2, 0, 0, 0, 0),
		"2024-01-02+07:00":                    utc(2024, 1, 1, 17, 0, 0, 0),
		"2024-01-02-07:00":                    utc(2024, 1, 2, 7, 0, 0, 0),

		"2024-01-02T15:04:05.999999999": utc(2024, 1, 2, 13, 4, 5, 999999999),
		"2024-01-02T15:04:05.5":         utc(2024, 1, 2, 13, 4, 5, 500000000),
		"2024-01-02T15:04:05":           utc(2024, 1, 2, 13, 4, 5, 0),
		"2024-01-02T15:04":              utc(2024, 1, 2, 13, 4, 0, 0),
		"2024-01-02T15":                 utc(2024, 1, 2, 13, 0, 0, 0),
		"2024-01-02":                    utc(2024, 1, 1, 22, 0, 0, 0),
		"0001-01-01Z":                   {},

		"0":                      time.Unix(0, 0),
		"1136073600":             time.Unix(1136073600, 0),
		"1136073600.000000001":   time.Unix(1136073600, 1),
		"1136073600.5":           time.Unix(1136073600, 500000000),
		"1136073600.050":         time.Unix(1136073600, 50000000),
		"253402300799.999999999": utc(9999, 12, 31, 23, 59, 59, 999999999),
	} {
		t.Run(text, func(t *testing.T) {
			f := newFilter(t, filter.Args{"until": {text}})
			checkUntil(t, f, want)
		})
	}
}

// checkUntil finds the time at which images begin to fail.
func checkUntil(t interface{ Errorf(string, ...any) }, f *filter.Filter, want time.Time) {
	for _, c := range []struct {
		created time.Time
		ok      bool
	}{
		{want.Add(-1), true},
		{want, false},
		{want.Add(1), false},
	} {
		if got, _ := f.Match(imagestore.Image{Created: c.created}, nil); got != c.ok {
			t.Errorf("created at %v: got %v, want %v", c.created, got, c.ok)
		}
	}
}

// A local time has the offset that its zone has then, not the one of now.
func TestUntilInWinter(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]time.Time{
		"2024-01-02T15": time.Date(2024, 1, 2, 14, 0, 0, 0, time.UTC),
		"2024-07-02T15": time.Date(2024, 7, 2, 13, 0, 0, 0, time.UTC),
	} {
		f, err := filter.New(filter.Args{"until": {text}}, now.In(berlin))
		if err != nil {
			t.Fatal(err)
		}
		checkUntil(t, f, want)
	}
}

// P4: an unknown age is not taken for old.
func TestUntilWithoutCreated(t *testing.T) {
	f := newFilter(t, filter.Args{"until": {"1h"}})
	if ok, key := f.Match(imagestore.Image{}, nil); ok || key != filter.Until {
		t.Errorf("got %v %q, want false %q", ok, key, filter.Until)
	}
}

func TestUntilRefuses(t *testing.T) {
	const unknown = "neither a duration such as 24h, an RFC 3339 time nor Unix seconds"
	for text, why := range map[string]string{
		"banana":                      unknown,
		"7d":                          unknown,
		"10":                          "",
		"10 m":                        unknown,
		" 10m":                        unknown,
		"-1h":                         "negative duration",
		"-1":                          unknown,
		"+1":                          unknown,
		"1.":                          unknown,
		".5":                          unknown,
		"1.0000000001":                unknown,
		"1e3":                         unknown,
		"0x10":                        unknown,
		"١":                           unknown,
		"253402300800":                "after the year 9999",
		"9223372036854775807":         "after the year 9999",
		"9223372036854775808":         "after the year 9999",
		"99999999999999999999999999":  "after the year 9999",
		"2024":                        "",
		"2024-01":                     unknown,
		"2024-13-01":                  unknown,
		"2023-02-29":                  unknown,
		"2024-01-02T25":               unknown,
		"2024-01-02T":                 unknown,
		"2024-01-02 15:04":            unknown,
		"2024-01-02T15:04:05z":        unknown,
		"2024-01-02T15:04:05 Z":       unknown,
		"2024-01-02T15:04:05Z+07:00":  unknown,
		"10000-01-02":                 unknown,
		"99999999999999999999999999h": unknown,
	} {
		t.Run(text, func(t *testing.T) {
			_, err := filter.New(filter.Args{"until": {text}}, now)
			if why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "invalid filter 'until="+text+"': "+why)
		})
	}
}

// Every time comes back from each form in which it can be written.
func TestUntilRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sec := rapid.Int64Range(0, 253402300799-86400).Draw(t, "sec")
		nsec := rapid.Int64Range(0, 999999999).Draw(t, "nsec")
		offset := rapid.IntRange(-23*60, 23*60).Draw(t, "offset in minutes")
		want := time.Unix(sec, nsec).In(time.FixedZone("", offset*60))
		for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999"} {
			text := want.Format(layout)
			f, err := filter.New(filter.Args{"until": {text}}, now.In(want.Location()))
			if err != nil {
				t.Fatal(err)
			}
			checkUntil(t, f, want)
		}
	})
}
