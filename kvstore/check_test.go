package kvstore_test

import (
	"context"
	"encoding/hex"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// C1, C2, C7: each kind of damage is found, said in words, and repaired; other
// images stay and can be deleted.
func TestCheckAndRepair(t *testing.T) {
	for _, c := range damageCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newDamaged(t)
			if c.harm != nil {
				c.harm(d)
			}
			findings, err := kvstore.Check(t.Context(), d.db, kvstore.CheckOptions{})
			must(t, err)
			d.finds(findings, c.found)
			repaired, err := kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
			must(t, err)
			for i := range findings {
				findings[i].Repaired = true
			}
			if diff := cmp.Diff(repaired, findings); diff != "" {
				t.Errorf("repaired (-) and found (+):\n%s", diff)
			}
			d.passes()
			touched := make(map[string]bool)
			for _, name := range c.gone {
				touched[name] = true
				if _, err := jettison.New(d.store, nil).Resolve(t.Context(), d.images[name].String()); !errors.Is(err, jettison.ErrNotFound) {
					t.Errorf("image %s: got error %v, want that it is gone", name, err)
				}
			}
			d.survived(touched)
		})
	}
}

// finds compares findings with those wanted. A "*" stands for any images.
func (d *damaged) finds(findings []check.Finding, want []string) {
	d.Helper()
	got, filled := []string{}, []string{}
	anyImages := make(map[string]bool)
	for _, w := range want {
		w, star := strings.CutSuffix(d.fill(w), " *")
		anyImages[w] = star
		filled = append(filled, w)
	}
	for _, f := range findings {
		text := string(f.Kind) + ": " + f.Where()
		if len(f.Images) > 0 && !anyImages[text] {
			text += " [" + strings.Join(f.Images, ", ") + "]"
		}
		got = append(got, text)
		if f.Problem == "" || f.Repair == "" || f.Repaired {
			d.Errorf("%#v: want words, and no repair yet", f)
		}
	}
	slices.Sort(got)
	slices.Sort(filled)
	if diff := cmp.Diff(got, filled); diff != "" {
		d.Errorf("found (-) and wanted (+):\n%s", diff)
	}
}

// C8: images that are each other's parents can be deleted again, the younger
// one first.
func TestCircleOfParents(t *testing.T) {
	d := newDamaged(t)
	d.circle("base", "app")
	err := remove(t, d, "app")
	wants(t, err, jettison.ErrConflict, "dependent child")
	findings, err := kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
	must(t, err)
	if len(findings) != 1 || findings[0].Kind != check.BrokenParent || findings[0].Key != "image/"+d.images["base"].String() || len(findings[0].Images) != 4 {
		t.Errorf("got %v, want a broken parent link of base", findings)
	}
	d.passes()
	wants(t, remove(t, d, "base"), jettison.ErrConflict, "dependent child")
	for _, name := range []string{"app", "web", "base"} {
		d.idle(d.images[name])
		must(t, remove(t, d, name))
	}
}

// circle makes each of two images the parent of the other, in their records and
// in the entries of children.
func (d *damaged) circle(parent, child string) {
	d.Helper()
	must(d, d.db.Update(d.Context(), func(tx kv.Tx) error {
		key := []byte("image/" + d.images[parent].String())
		value, err := tx.Get(d.Context(), key)
		must(d, err)
		// A record begins with version and checksum, then the parent: one byte
		// for none.
		id := d.images[child]
		raw, err := hex.DecodeString(id.Encoded())
		must(d, err)
		entry := kv.Entry{Key: key, Value: slices.Concat(value[:5], []byte{1}, raw, value[6:])}
		reseal(entry)
		must(d, tx.Put(d.Context(), key, entry.Value))
		return tx.Put(d.Context(), []byte("child/"+id.String()+"/"+d.images[parent].String()), nil)
	}))
}

func remove(t *testing.T, d *damaged, name string) error {
	t.Helper()
	_, err := jettison.New(d.store, nil).ImageDelete(t.Context(), d.images[name].String(), jettison.RemoveOptions{Force: true})
	return err
}

// C4: an image, and content, are made again from the bytes.
func TestRepairFromContent(t *testing.T) {
	d := newDamaged(t)
	before := d.image("web")
	flips("image/{web}", "content/{content l4}", "content/{web}")(d)
	bytes := map[digest.Digest]string{
		digest.FromString("l4"): "l4",
		d.images["web"]:         string(checkConfig(t, "web", []string{"l1", "l2", "l4"})),
	}
	opts := kvstore.RepairOptions{}
	opts.Open = func(_ context.Context, content digest.Digest) (io.ReadCloser, error) {
		if text, ok := bytes[content]; ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return nil, class.Errorf(class.NotFound, "no content %s", content)
	}
	findings, err := kvstore.Check(t.Context(), d.db, opts.CheckOptions)
	must(t, err)
	d.finds(findings, []string{
		"unreadable record: image/{web} [web:1]", "unreadable record: content/{content l4}", "unreadable record: content/{web}",
	})
	_, err = kvstore.Repair(t.Context(), d.db, opts)
	must(t, err)
	d.passes()
	before.LastUsed = time.Time{} // nothing else tells
	if diff := cmp.Diff(d.image("web"), before); diff != "" {
		t.Errorf("image after the repair (-) and before (+):\n%s", diff)
	}
	d.survived(nil)
}

// C6: an image whose configuration is there but whose content is not is removed,
// and that is one finding.
func TestRepairCannotMakeAgain(t *testing.T) {
	d := newDamaged(t)
	flips("image/{single}")(d)
	removes("content/{content l5}")(d)
	opts := kvstore.RepairOptions{}
	opts.Open = func(_ context.Context, content digest.Digest) (io.ReadCloser, error) {
		if content == d.images["single"] {
			return io.NopCloser(strings.NewReader(string(checkConfig(t, "single", []string{"l5"})))), nil
		}
		return nil, class.Errorf(class.NotFound, "no content %s", content)
	}
	findings, err := kvstore.Repair(t.Context(), d.db, opts)
	must(t, err)
	for i := range findings {
		findings[i].Repaired = false
	}
	d.finds(findings, []string{"unreadable record: image/{single} [{single}]", "missing record: content/{content l5}"})
	d.passes()
	d.survived(map[string]bool{"single": true})
}

// image returns the record of an image.
func (d *damaged) image(name string) (img imagestore.Image) {
	d.Helper()
	must(d, d.store.Read(d.Context(), func(tx *kvstore.Tx) (err error) {
		img, err = tx.Images.Get(d.Context(), d.images[name])
		return err
	}))
	return img
}

// C3: what changes is known before it changes, and an error leaves all as it
// was.
func TestRepairKeepsWhatItChanges(t *testing.T) {
	d := newDamaged(t)
	flips("image/{web}", "ref/docker.io/library/app:1")(d)
	removes("name/db")(d)
	before := d.entries()
	var kept []kvstore.Change
	failure := errors.New("no")
	opts := kvstore.RepairOptions{Keep: func(_ context.Context, changes []kvstore.Change) error {
		kept = changes
		return failure
	}}
	if _, err := kvstore.Repair(t.Context(), d.db, opts); err != failure { //nolint:errorlint // it comes back as it is
		t.Errorf("got error %v, want that of Keep", err)
	}
	if diff := cmp.Diff(d.entries(), before); diff != "" {
		t.Errorf("after a repair that failed (-) and before (+):\n%s", diff)
	}
	opts.Keep = nil
	_, err := kvstore.Repair(t.Context(), d.db, opts)
	must(t, err)
	for _, change := range kept { // undone by hand
		if change.Old == nil {
			d.remove(string(change.Key))
		} else {
			d.put(string(change.Key), string(change.Old))
		}
	}
	if diff := cmp.Diff(d.entries(), before); diff != "" {
		t.Errorf("undone by what was kept (-) and before (+):\n%s", diff)
	}
	opts.Keep = func(context.Context, []kvstore.Change) error {
		t.Error("a sound store has something to keep")
		return nil
	}
	sound := newDamaged(t)
	_, err = kvstore.Repair(t.Context(), sound.db, opts)
	must(t, err)
}

// C5: what cannot be read keeps its image as before.
func TestRepairKeepsImagesBusy(t *testing.T) {
	d := newDamaged(t)
	flips("container/c1", "container/c2", "lease/{web}/l")(d)
	_, err := kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
	must(t, err)
	must(t, d.store.Read(t.Context(), func(tx *kvstore.Tx) error {
		c, err := tx.Containers.Get(t.Context(), "db")
		must(t, err)
		if want := (jettison.Container{ID: "c1", Name: "db", Image: d.images["app"], Running: true}); !cmp.Equal(c, want) {
			t.Errorf("got container %v, want %v", c, want)
		}
		leases, err := tx.Leases.Leases(t.Context(), d.images["web"])
		if len(leases) != 1 || leases[0].Kind != conflict.LeaseCreate || !leases[0].Expires.IsZero() {
			t.Errorf("got leases %v (error %v), want one that does not expire", leases, err)
		}
		return nil
	}))
	for _, name := range []string{"app", "single", "web"} {
		wants(t, remove(t, d, name), jettison.ErrConflict, "cannot be forced")
	}
}

// Damage of the format is an error, as it is for New.
func TestCheckOfNoStore(t *testing.T) {
	db := memkv.New()
	findings, err := kvstore.Check(t.Context(), db, kvstore.CheckOptions{})
	if err != nil || len(findings) > 0 {
		t.Errorf("an empty map: got %v, error %v", findings, err)
	}
	d := newDamaged(t)
	d.put("meta/format", "99")
	_, err = kvstore.Check(t.Context(), d.db, kvstore.CheckOptions{})
	wants(t, err, jettison.ErrInvalidArgument, "format 99")
	d.put("meta/format", "x")
	_, err = kvstore.Repair(t.Context(), d.db, kvstore.RepairOptions{})
	wants(t, err, jettison.ErrInternal, "meta/format")
}

// ailing is a database that a test makes answer wrongly.
type ailing struct {
	kv.DB
	wrong func(kv.Reader) kv.Reader
}

func (a ailing) View(ctx context.Context, fn func(kv.Reader) error) error {
	return a.DB.View(ctx, func(r kv.Reader) error { return fn(a.wrong(r)) })
}

// blind does not find a key.
type blind struct {
	kv.Reader
	key string
}

func (b blind) Get(ctx context.Context, key []byte) ([]byte, error) {
	if string(key) == b.key {
		return nil, kv.ErrNotFound
	}
	return b.Reader.Get(ctx, key)
}

// stuttering yields entries twice.
type stuttering struct{ kv.Reader }

func (s stuttering) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		for entry, err := range s.Reader.Scan(ctx, prefix) {
			for range 2 {
				if !yield(entry, err) {
					return
				}
			}
		}
	}
}

// E3: where the engine does not find what it has, nothing is concluded.
func TestCheckOfADamagedEngine(t *testing.T) {
	d := newDamaged(t)
	key := "image/" + d.images["web"].String()
	_, err := kvstore.Check(t.Context(), ailing{d.db, func(r kv.Reader) kv.Reader { return blind{r, key} }}, kvstore.CheckOptions{})
	wants(t, err, jettison.ErrInternal, key)
	_, err = kvstore.Check(t.Context(), ailing{d.db, func(r kv.Reader) kv.Reader { return stuttering{r} }}, kvstore.CheckOptions{})
	wants(t, err, jettison.ErrInternal, "not found where it should be")
}

func TestCheckObeysItsContext(t *testing.T) {
	d := newDamaged(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := kvstore.Check(ctx, d.db, kvstore.CheckOptions{})
	wants(t, err, jettison.ErrUnavailable, "canceled")
	_, err = kvstore.Repair(ctx, d.db, kvstore.RepairOptions{})
	wants(t, err, jettison.ErrUnavailable, "canceled")
}
