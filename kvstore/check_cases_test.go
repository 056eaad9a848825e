package kvstore_test

import (
	"slices"

	"github.com/opencontainers/go-digest"
)

// A damageCase is one kind of damage and what is found. Names in keys are
// filled in by fill.
type damageCase struct {
	name  string
	harm  func(d *damaged)
	found []string // "kind: key" and, in brackets, the images
	gone  []string // the images that the repair removes
}

func flips(keys ...string) func(*damaged) {
	return func(d *damaged) {
		for _, key := range keys {
			d.flip(d.fill(key))
		}
	}
}

func removes(keys ...string) func(*damaged) {
	return func(d *damaged) {
		for _, key := range keys {
			d.remove(d.fill(key))
		}
	}
}

func puts(key, value string) func(*damaged) {
	return func(d *damaged) { d.put(d.fill(key), d.fill(value)) }
}

func damageCases() []damageCase {
	return slices.Concat(imageDamage(), contentDamage(), referenceDamage(), useDamage())
}

func imageDamage() []damageCase {
	return []damageCase{
		{name: "nothing"},
		{
			name: "an unreadable image, C6", harm: flips("image/{single}"), gone: []string{"single"},
			found: []string{
				"unreadable record: image/{single} [{single}]",
				"held by nothing: layer/{layer l5}",
				"held by nothing: content/{single}",
			},
		},
		{
			name: "an unreadable child, C6", harm: flips("image/{web}"), gone: []string{"web"},
			found: []string{"unreadable record: image/{web} [web:1]", "held by nothing: layer/{layer l1 l2 l4}", "held by nothing: content/{web}"},
		},
		{
			name: "an unreadable parent, C6", harm: flips("image/{base}"), gone: []string{"base"},
			found: []string{"unreadable record: image/{base} [base:1]", "wrong count: layer/{layer l1 l2}", "held by nothing: content/{base}"},
		},
		{
			name: "a missing image", harm: removes("image/{web}"), gone: []string{"web"},
			found: []string{
				"no such image: ref/docker.io/library/web:1", "stray entry: idref/{web}/docker.io/library/web:1",
				"no such image: lease/{web}/l", "stray entry: child/{base}/{web}",
				"held by nothing: layer/{layer l1 l2 l4}", "held by nothing: content/{web}",
			},
		},
		{name: "a missing child entry, C4", harm: removes("child/{base}/{app}"), found: []string{"missing entry: child/{base}/{app} [app:1, app:2, app@" + digest.FromString("manifest").String() + "]"}},
		{name: "a stray child entry", harm: puts("child/{single}/{app}", ""), found: []string{"stray entry: child/{single}/{app}"}},
		{
			name: "a parent that is not there", gone: []string{"base"},
			harm:  removes("image/{base}", "ref/docker.io/library/base:1", "idref/{base}/docker.io/library/base:1", "child/{base}/{app}", "child/{base}/{web}"),
			found: []string{"broken parent link: image/{app} *", "broken parent link: image/{web} [web:1]", "wrong count: layer/{layer l1 l2}", "held by nothing: content/{base}"},
		},
		{name: "a key without a digest", harm: puts("image/what", ""), found: []string{"unknown key: image/what"}},
		{name: "a child without a parent", harm: puts("child/what", ""), found: []string{"unknown key: child/what"}},
		{name: "a key of no kind", harm: puts("what", "ever"), found: []string{"unknown key: what"}},
		{name: "a mark on content that is held", harm: puts("garbage/{content l1}", ""), found: []string{"stray mark of garbage: garbage/{content l1}"}},
		{name: "a mark without a digest", harm: puts("garbage/what", ""), found: []string{"unknown key: garbage/what"}},
	}
}

func contentDamage() []damageCase {
	above := []string{"app", "base", "web"}
	return []damageCase{
		{
			name: "an unreadable layer, C6", harm: flips("layer/{layer l5}"), gone: []string{"single"},
			found: []string{"unreadable record: layer/{layer l5}", "incomplete image: image/{single} [{single}]", "held by nothing: content/{content l5}"},
		},
		{
			name: "a missing layer", harm: removes("layer/{layer l1}"), gone: above,
			found: []string{
				"missing record: layer/{layer l1}", "incomplete image: image/{app} *", "incomplete image: image/{base} [base:1]",
				"incomplete image: image/{web} [web:1]", "held by nothing: content/{content l1}",
			},
		},
		{
			name: "a layer that is another one", gone: []string{"single"},
			harm: func(d *damaged) {
				d.rewrite("layer/{layer l5}", func(value []byte) []byte {
					value[20] ^= 1
					return value
				})
			},
			found: []string{"unreadable record: layer/{layer l5}", "incomplete image: image/{single} [{single}]", "held by nothing: content/{content l5}"},
		},
		{
			name: "unreadable content, C6", harm: flips("content/{content l5}"), gone: []string{"single"},
			found: []string{"unreadable record: content/{content l5}", "incomplete image: image/{single} [{single}]"},
		},
		{
			name: "missing content", harm: removes("content/{content l4}"), gone: []string{"web"},
			found: []string{"missing record: content/{content l4}", "incomplete image: image/{web} [web:1]"},
		},
		{
			name: "a wrong number of holders, C4",
			harm: func(d *damaged) {
				d.rewrite("layer/{layer l5}", func(value []byte) []byte {
					value[5] = 3
					return value
				})
			},
			found: []string{"wrong count: layer/{layer l5}"},
		},
		{
			name: "a wrong size, C4",
			harm: func(d *damaged) {
				d.rewrite("content/{content l5}", func(value []byte) []byte {
					value[6] = 2 * 7 // as a varint
					return value
				})
			},
			found: []string{"wrong size: image/{single} [{single}]"},
		},
		{
			name: "a negative size", gone: []string{"single"},
			harm: func(d *damaged) {
				d.rewrite("content/{content l5}", func(value []byte) []byte {
					value[6] = 1 // as a varint
					return value
				})
			},
			found: []string{"unreadable record: content/{content l5}", "incomplete image: image/{single} [{single}]"},
		},
	}
}

func referenceDamage() []damageCase {
	return []damageCase{
		{name: "an unreadable reference, C4", harm: flips("ref/docker.io/library/app:1"), found: []string{"unreadable record: ref/docker.io/library/app:1 *"}},
		{name: "a missing reference, C4", harm: removes("ref/docker.io/library/app:1"), found: []string{"missing record: ref/docker.io/library/app:1 *"}},
		{name: "a reference that is not listed, C4", harm: removes("idref/{web}/docker.io/library/web:1"), found: []string{"missing entry: idref/{web}/docker.io/library/web:1 [web:1]"}},
		{name: "a list with another's reference", harm: puts("idref/{web}/docker.io/library/app:1", ""), found: []string{"stray entry: idref/{web}/docker.io/library/app:1"}},
		{
			name: "a reference that cannot be read and that two images list",
			harm: func(d *damaged) {
				flips("ref/docker.io/library/app:1")(d)
				puts("idref/{web}/docker.io/library/app:1", "")(d)
			},
			found: []string{
				"unreadable record: ref/docker.io/library/app:1", "stray entry: idref/{web}/docker.io/library/app:1",
				"stray entry: idref/{app}/docker.io/library/app:1",
			},
		},
		{name: "no reference", harm: puts("ref/Upper:1", ""), found: []string{"unknown key: ref/Upper:1"}},
		{name: "no list of references", harm: puts("idref/app:1", ""), found: []string{"unknown key: idref/app:1"}},
		{name: "a reference that is not normalized", harm: puts("ref/app:1", ""), found: []string{"unknown key: ref/app:1"}},
	}
}

func useDamage() []damageCase {
	return []damageCase{
		{name: "an unreadable container, C5", harm: flips("container/c1"), found: []string{"unreadable record: container/c1 *"}},
		{name: "a missing container, C5", harm: removes("container/c2"), found: []string{"missing record: container/c2 *"}},
		{name: "an unreadable container of no image", harm: puts("container/c3", "junk"), found: []string{"unreadable record: container/c3"}},
		{name: "a missing name", harm: removes("name/db"), found: []string{"missing entry: name/db"}},
		{name: "a name of another", harm: puts("name/db", "c2"), found: []string{"missing entry: name/db"}},
		{name: "a name of none", harm: puts("name/web", "c1"), found: []string{"stray entry: name/web"}},
		{
			name: "a name that two containers have",
			harm: func(d *damaged) {
				for _, e := range d.entries() {
					if string(e.Key) == "container/c1" {
						e.Key = []byte("container/c0")
						reseal(e)
						d.put(string(e.Key), string(e.Value))
					}
				}
			},
			found: []string{"name taken twice: container/c0", "missing entry: use/{app}/c0 *"},
		},
		{name: "a missing use", harm: removes("use/{app}/c1"), found: []string{"missing entry: use/{app}/c1 *"}},
		{name: "a use that is none", harm: puts("use/{web}/c1", ""), found: []string{"stray entry: use/{web}/c1"}},
		{name: "no container", harm: puts("container/no ID", ""), found: []string{"unknown key: container/no ID"}},
		{name: "no name", harm: puts("name/", ""), found: []string{"unknown key: name/"}},
		{name: "no use", harm: puts("use/c1", ""), found: []string{"unknown key: use/c1"}},
		{name: "an unreadable lease, C5", harm: flips("lease/{web}/l"), found: []string{"unreadable record: lease/{web}/l [web:1]"}},
		{name: "no lease", harm: puts("lease/l", ""), found: []string{"unknown key: lease/l"}},
		{name: "a lease on nothing", harm: puts("lease/{content none}/l", "junk"), found: []string{"no such image: lease/{content none}/l"}},
	}
}
