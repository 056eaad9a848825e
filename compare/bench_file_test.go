package compare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// taggedImages are n images with a tag each and a layer of their own on a
// common one. The first has as many tags as references says, each of another
// repository.
func taggedImages(n, references int) compare.Scene {
	var scene compare.Scene
	for i := range n {
		img := compare.Image{DiffIDs: []digest.Digest{digest.FromString("base"), digest.FromString(fmt.Sprint("own ", i))}}
		created := time.Unix(int64(1700000000+i), 0).UTC()
		config, err := json.Marshal(ocispec.Image{
			Created:  &created,
			Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
			Config:   ocispec.ImageConfig{Cmd: []string{"/bin/app"}, Labels: map[string]string{"number": fmt.Sprint(i)}},
			RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: img.DiffIDs},
		})
		if err != nil {
			panic(err) // the value is made above
		}
		img.Config, img.ID = config, digest.FromBytes(config)
		scene.Images = append(scene.Images, img)
		scene.References = append(scene.References, tagOf(fmt.Sprintf("app%d:1", i), img))
	}
	for i := 1; i < references; i++ {
		scene.References = append(scene.References, tagOf(fmt.Sprintf("other%d:1", i), scene.Images[0]))
	}
	return scene
}

func tagOf(name string, img compare.Image) refstore.Association {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		panic(err) // names are made from numbers
	}
	return refstore.Association{Ref: ref, ID: img.ID}
}

// A file is a database that holds a scene, and is copied for each run.
type file struct{ data []byte }

func newFile(b *testing.B, scene compare.Scene) file {
	b.Helper()
	path := filepath.Join(b.TempDir(), "meta.db")
	ours := compare.NewJettison()
	ours.Open = func() (kv.DB, error) { return boltkv.Open(b.Context(), path, &boltkv.Options{NoSync: true}) }
	if err := errors.WithStack(ours.Build(b.Context(), scene)); err != nil {
		b.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return file{data}
}

// copy writes the file anew. It is on the disk already when a run begins.
func (f file) copy(b *testing.B) string {
	b.Helper()
	to, err := os.Create(filepath.Join(b.TempDir(), "meta.db"))
	if err != nil {
		b.Fatal(err)
	}
	_, err = to.Write(f.data)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.WithStack(err); err == nil {
		err = to.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return to.Name()
}

// open stops the timer, opens a copy with this project's engine and returns
// the run.
func (f file) open(b *testing.B, run func(*jettison.Service) error) entry {
	b.Helper()
	b.StopTimer()
	db, err := boltkv.Open(b.Context(), f.copy(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	return f.over(b, db, run)
}

func (file) over(b *testing.B, db kv.DB, run func(*jettison.Service) error) entry {
	b.Helper()
	store, err := kvstore.New(b.Context(), db, nil)
	if err != nil {
		b.Fatal(err)
	}
	service := jettison.New(store, nil)
	return entry{run: func() error { return run(service) }, close: db.Close}
}

// alone opens a copy with bbolt alone and returns the run, one transaction.
func (f file) alone(b *testing.B, run func(*bolt.Bucket) error) entry {
	b.Helper()
	db, err := bolt.Open(f.copy(b), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		b.Fatal(err)
	}
	return entry{close: db.Close, run: func() error {
		return db.Update(func(tx *bolt.Tx) error { return run(tx.Bucket([]byte("jettison"))) })
	}}
}

// record returns what a run of this project's engine writes.
func (f file) record(b *testing.B, run func(*jettison.Service) error) *recorder {
	b.Helper()
	db, err := boltkv.Open(b.Context(), f.copy(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	r := &recorder{DB: db}
	e := f.over(b, r, run)
	if err = errors.WithMessage(e.run(), "record"); err == nil {
		err = e.close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// A recorder is a database that notes what is written.
type recorder struct {
	kv.DB

	writes []write
}

// A write is a Put, or a Delete if the value is nil.
type write struct{ key, value []byte }

func (r *recorder) Update(ctx context.Context, fn func(kv.Tx) error) error {
	return r.DB.Update(ctx, func(tx kv.Tx) error { return fn(recording{tx, r}) })
}

type recording struct {
	kv.Tx

	to *recorder
}

func (r recording) Put(ctx context.Context, key, value []byte) error {
	r.to.writes = append(r.to.writes, write{bytes.Clone(key), append([]byte{}, value...)})
	return r.Tx.Put(ctx, key, value)
}

func (r recording) Delete(ctx context.Context, key []byte) error {
	r.to.writes = append(r.to.writes, write{bytes.Clone(key), nil})
	return r.Tx.Delete(ctx, key)
}

// final are the writes, the last of each key, in the order of the keys.
func (r *recorder) final() []write {
	last := make(map[string]write)
	for _, w := range r.writes {
		last[string(w.key)] = w
	}
	var all []write
	for _, w := range last {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b write) int { return bytes.Compare(a.key, b.key) })
	return all
}

func (w write) apply(bucket *bolt.Bucket) error {
	if w.value == nil {
		return bucket.Delete(w.key)
	}
	return bucket.Put(w.key, w.value)
}

// sweep is a prune without any logic: it scans the records of the images, then
// looks up and deletes the keys that the recorded one deleted, image by image.
func sweep(r *recorder) func(*bolt.Bucket) error {
	gone := slices.DeleteFunc(slices.Clone(r.writes), func(w write) bool { return w.value != nil })
	return func(bucket *bolt.Bucket) error {
		if n := scan(bucket, "image/"); n == 0 {
			return errors.New("there are no images")
		}
		for _, w := range gone {
			if bucket.Get(w.key) == nil {
				return errors.Errorf("there is no %s", w.key)
			}
			if err := w.apply(bucket); err != nil {
				return err
			}
		}
		return nil
	}
}

// scan walks the keys with this prefix and returns their number.
func scan(bucket *bolt.Bucket, prefix string) int {
	n, cursor := 0, bucket.Cursor()
	for k, _ := cursor.Seek([]byte(prefix)); bytes.HasPrefix(k, []byte(prefix)); k, _ = cursor.Next() {
		n++
	}
	return n
}
