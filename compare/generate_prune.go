package compare

import (
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/filter"
)

// A configuration is that of an image, in which more may be missing than in
// the type of the specification.
type configuration struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	ocispec.Platform
	Config *ocispec.ImageConfig `json:"config,omitempty"`
	RootFS ocispec.RootFS       `json:"rootfs"`
}

// hour is a time in a day on which most images are made.
func hour(n int) time.Time { return time.Unix(1700000000, 0).Add(time.Duration(n) * time.Hour).UTC() }

// created is one of a few times, so that images are of equal age; the zero
// time, as some builders write it; or none.
func (g *generator) created() *time.Time {
	at := hour(g.IntN(5))
	switch n := g.IntN(100); {
	case n < 5:
		return nil
	case n < 8:
		at = time.Time{}
	case n < 20:
		at = at.Add(time.Duration(g.IntN(1e9)))
	}
	return &at
}

// labels are some of a few, or none, or there is no such part.
func (g *generator) labels() *ocispec.ImageConfig {
	if g.chance(12) {
		return nil
	}
	config := &ocispec.ImageConfig{}
	for _, key := range []string{"stage", "tier", "keep", "pinned"} {
		if g.chance(40) {
			if config.Labels == nil {
				config.Labels = map[string]string{}
			}
			config.Labels[key] = pick(g, labelValues)
		}
	}
	return config
}

var labelValues = []string{"", "1", "2"}

// prune makes a call of ImagesPrune. The labels that are asked for and those
// that are not are of different keys: filters that contradict each other are
// for a test of their own.
func (g *generator) prune() Call {
	args := filter.Args{}
	if g.chance(5) {
		wrong := pick(g, wrongFilters)
		args[wrong.key] = []string{wrong.value}
	}
	if g.chance(70) && args[filter.Dangling] == nil {
		args[filter.Dangling] = []string{pick(g, []string{"false", "false", "0", "true", "1"})}
	}
	g.addLabels(args, filter.Label, "stage", "tier")
	g.addLabels(args, filter.NotLabel, "keep", "keep", "pinned")
	if g.chance(25) && args[filter.Until] == nil {
		args[filter.Until] = []string{g.until()}
	}
	return Call{Filters: args}
}

// addLabels asks for some of the keys, with or without a value.
func (g *generator) addLabels(args filter.Args, key string, labels ...string) {
	for _, label := range labels {
		if g.chance(80) || args[key] != nil && args[key][0] == "" {
			continue
		}
		if g.chance(50) {
			label += "=" + pick(g, labelValues)
		}
		args[key] = append(args[key], label)
	}
}

// until is one of the times at which images are made, or near it.
func (g *generator) until() string {
	at := hour(g.IntN(6))
	switch g.IntN(6) {
	case 0:
		return "1h"
	case 1:
		return "876000h"
	case 2:
		return at.Format(time.RFC3339)
	case 3:
		return at.In(time.FixedZone("", 7200)).Format(time.RFC3339)
	case 4:
		return fmt.Sprintf("%d.%09d", at.Unix(), g.IntN(1e9))
	default:
		return fmt.Sprint(at.Unix())
	}
}

// wrongFilters are refused; text is how, where Docker does it in another way
// or not at all.
var wrongFilters = []struct{ key, value, text string }{
	{"nope", "1", ""},
	{"Label", "a", ""},
	{filter.Dangling, "maybe", "invalid filter 'dangling=maybe': neither true, 1, false nor 0"},
	{filter.Dangling, "True", "invalid filter 'dangling=True': neither true, 1, false nor 0"},
	{filter.Label, "", "invalid filter 'label': empty value"},
	{filter.NotLabel, "", "invalid filter 'label!': empty value"},
	{filter.Until, "yesterday", "invalid filter 'until=yesterday': neither a duration such as 24h, an RFC 3339 time nor Unix seconds"},
	{filter.Until, "-1h", "invalid filter 'until=-1h': negative duration"},
	{filter.Until, "2023-11-14T25:00", "invalid filter 'until=2023-11-14T25:00': neither a duration such as 24h, an RFC 3339 time nor Unix seconds"},
}
