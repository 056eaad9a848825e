package boltkv

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/kv"
)

// Few letters, so that keys meet and are each other's beginnings, the zero byte
// among them; long ones, so that more than the head of a key counts.
func pendingKeys() *rapid.Generator[string] {
	parts := rapid.SampledFrom([]string{"a", "\x00", "image/", "image/sha256:", "\xff", "0123456789"})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(parts, 1, 4).Draw(t, "parts"), "")
	})
}

// What is pending equals a map of the last changes, whatever is undone and
// whenever it is scanned.
func TestPending(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, model := newPending(), map[string]string{}
		type saved struct {
			point savepoint
			model map[string]string
		}
		var points []saved
		key := pendingKeys()
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				k, v := key.Draw(rt, "key"), rapid.SampledFrom([]string{"", "1", "22"}).Draw(rt, "value")
				p.put([]byte(k), []byte(v))
				model[k] = "put " + v
			},
			"remove": func(rt *rapid.T) {
				k := key.Draw(rt, "key")
				p.remove([]byte(k))
				model[k] = "removed"
			},
			"put many": func(rt *rapid.T) { // the index grows
				v := rapid.SampledFrom([]string{"3", "4"}).Draw(rt, "value")
				for i := range 100 {
					k := fmt.Sprintf("image/sha256:%d", i)
					p.put([]byte(k), []byte(v))
					model[k] = "put " + v
				}
			},
			"save": func(*rapid.T) { points = append(points, saved{p.save(), maps.Clone(model)}) },
			"restore": func(rt *rapid.T) {
				if len(points) == 0 {
					return
				}
				n := rapid.IntRange(0, len(points)-1).Draw(rt, "point")
				p.restore(points[n].point)
				model = points[n].model
				points = points[:n]
			},
			"scan": func(rt *rapid.T) { comparePendingScan(rt, &p, model, key.Draw(rt, "prefix")) },
			"":     func(rt *rapid.T) { comparePending(rt, &p, model) },
		})
	})
}

func comparePending(rt *rapid.T, p *pending, model map[string]string) {
	var got, want []string
	for _, place := range p.order() {
		c := *p.log.at(place.at)
		got = append(got, string(c.Key), describe(c))
		if found, ok := p.get(c.Key); !ok || describe(found) != describe(c) {
			rt.Fatalf("get %q: %q, %t; want %q", c.Key, describe(found), ok, describe(c))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(model)) {
		want = append(want, k, model[k])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("in order (-want +got):\n%s", diff)
	}
	if _, ok := p.get([]byte("never put")); ok {
		rt.Fatal("a key that was never put is pending")
	}
}

func comparePendingScan(rt *rapid.T, p *pending, model map[string]string, prefix string) {
	var got, want []string
	p.merge([]byte(prefix), func(e kv.Entry, _ error) bool {
		got = append(got, string(e.Key), "put "+string(e.Value))
		return true
	}).rest()
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(k, prefix) && model[k] != "removed" {
			want = append(want, k, model[k])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("scan %q (-want +got):\n%s", prefix, diff)
	}
}

func describe(c change) string {
	if c.removed {
		return "removed"
	}
	return "put " + string(c.Value)
}

// The caller may use its slices again.
func TestPendingKeepsNoSlice(t *testing.T) {
	p := newPending()
	key, value := []byte("key"), []byte("value")
	p.put(key, value)
	copy(key, "xxx")
	copy(value, "xxxxx")
	c, ok := p.get([]byte("key"))
	if !ok || !bytes.Equal(c.Value, []byte("value")) {
		t.Errorf("got %q, %t; want %q", c.Value, ok, "value")
	}
}
