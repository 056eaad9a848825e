package diskstore_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// A patient is a closed store with an entry and a file of every kind, to be
// damaged.
type patient struct {
	testing.TB
	dir    string
	images map[string]digest.Digest
	// layers and files has what each image needs: the keys of its layers, and
	// its content.
	layers, files map[string][]string
	// touched are the images that the damage may cost.
	touched map[string]bool
	// pages says that pages of the database were altered, and emptied that it has no
	// records left.
	pages, emptied bool
}

// newPatient makes a store that is sound.
func newPatient(t testing.TB) *patient {
	t.Helper()
	p := &patient{
		TB: t, dir: filepath.Join(t.TempDir(), "store"), images: make(map[string]digest.Digest),
		layers: make(map[string][]string), files: make(map[string][]string), touched: make(map[string]bool),
	}
	now := time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC)
	s, err := diskstore.Open(t.Context(), p.dir, &diskstore.Options{Now: func() time.Time { return now }})
	must(t, err)
	p.load(s, "base", "one", "two")
	p.load(s, "app", "one", "two", "three")
	p.load(s, "web", "one", "two", "four")
	p.load(s, "single", "five")
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		must(t, tx.Images.SetParent(t.Context(), p.images["app"], p.images["base"]))
		must(t, tx.Images.SetParent(t.Context(), p.images["web"], p.images["base"]))
		_, err := tx.Containers.Add(t.Context(), jettison.Container{
			ID: "c1", Name: "db", Image: p.images["app"], Mounts: []digest.Digest{p.images["single"]}, Running: true,
		})
		must(t, err)
		return tx.Leases.Add(t.Context(), p.images["web"], conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "me"})
	}))
	must(t, s.Close())
	return p
}

func (p *patient) load(s *diskstore.Store, name string, layers ...string) {
	p.Helper()
	id, err := load(p.Context(), s, name, layers...)
	must(p, err)
	p.images[name], p.files[name] = id, []string{id.Encoded()}
	for _, l := range layers {
		p.files[name] = append(p.files[name], describe(l).Digest.Encoded())
	}
	must(p, s.Read(p.Context(), func(tx *kvstore.Tx) error {
		img, err := tx.Images.Get(p.Context(), id)
		must(p, err)
		for at := img.Layer; at != ""; {
			l, err := tx.Images.Layer(p.Context(), at)
			must(p, err)
			p.layers[name] = append(p.layers[name], "layer/"+at.String())
			at = l.Parent
		}
		return nil
	}))
}

// copy returns the same store in another directory.
func (p *patient) copy(t testing.TB) *patient {
	c := *p
	c.TB, c.dir, c.touched = t, filepath.Join(t.TempDir(), "store"), make(map[string]bool)
	copyDir(t, p.dir, c.dir)
	return &c
}

// edit changes the records as they lie in the database.
func (p *patient) edit(fn func(tx kv.Tx, all []kv.Entry) error) {
	p.Helper()
	db, err := boltkv.Open(p.Context(), filepath.Join(p.dir, "meta.db"), &boltkv.Options{NoSync: true})
	if p.pages && err != nil {
		return
	}
	must(p, err)
	err = db.Update(p.Context(), func(tx kv.Tx) error {
		var all []kv.Entry
		for entry, err := range tx.Scan(p.Context(), nil) {
			if err != nil {
				return err
			}
			all = append(all, kv.Entry{Key: bytes.Clone(entry.Key), Value: bytes.Clone(entry.Value)})
		}
		if len(all) == 0 {
			return nil
		}
		return fn(tx, all)
	})
	if !p.pages {
		must(p, err)
	}
	must(p, db.Close())
}

// harm damages the store in the way that the bytes say.
func (p *patient) harm(how []byte) {
	at := int(how[2])<<8 | int(how[3])
	switch mask := max(how[4], 1); how[1] % 8 {
	case 6:
		p.harmFile(int(how[0]), at, mask)
	case 7:
		p.harmPage(at, mask)
	default:
		p.edit(func(tx kv.Tx, all []kv.Entry) error {
			p.emptied = len(all) == 1 // unless the record is put back
			return p.harmRecord(tx, all[int(how[0])%len(all)], how[1]%8, at, mask)
		})
	}
}

// harmRecord replaces an entry by a damaged one.
func (p *patient) harmRecord(tx kv.Tx, old kv.Entry, how byte, at int, mask byte) error {
	by := kv.Entry{Key: bytes.Clone(old.Key), Value: bytes.Clone(old.Value)}
	switch how {
	case 0, 1:
		alter(by.Value, at, mask)
	case 2:
		alter(by.Value, at, mask)
		reseal(by)
	case 3:
		alter(by.Key, at, mask)
	case 4:
		by.Value = by.Value[:at%(len(by.Value)+1)]
	}
	unreadable := how == 0 || how == 1 || how == 4
	for name, id := range p.images {
		image := string(old.Key) == "image/"+id.String() && !unreadable // else it is made again
		if image || slices.Contains(p.layers[name], string(old.Key)) {
			p.touched[name] = true
		}
	}
	if err := tx.Delete(p.Context(), old.Key); err != nil || how == 5 {
		return err
	}
	p.emptied = false
	return tx.Put(p.Context(), by.Key, by.Value)
}

func alter(data []byte, at int, mask byte) {
	if len(data) > 0 {
		data[at%len(data)] ^= mask
	}
}

// reseal gives a record the checksum that its fields have.
func reseal(e kv.Entry) {
	if len(e.Value) >= 5 {
		table := crc32.MakeTable(crc32.Castagnoli)
		binary.BigEndian.PutUint32(e.Value[1:], crc32.Update(crc32.Checksum(e.Key, table), table, e.Value[5:]))
	}
}

// harmFile alters, cuts, removes or replaces a file of content, or adds one.
func (p *patient) harmFile(which, at int, mask byte) {
	paths, err := filepath.Glob(filepath.Join(p.dir, "blobs", "sha256", "*"))
	must(p, err)
	if len(paths) == 0 {
		return
	}
	path := paths[which%len(paths)]
	data, err := os.ReadFile(path)
	if err != nil { // a directory has its place since
		return
	}
	switch at % 5 {
	case 0:
		alter(data, at/5, mask)
		must(p, os.WriteFile(path, data, 0o600))
	case 1:
		must(p, os.Truncate(path, int64(at/5%max(len(data), 1))))
	case 2:
		must(p, os.Remove(path))
	case 3:
		must(p, os.Remove(path))
		must(p, os.MkdirAll(filepath.Join(path, "inside"), 0o700))
	case 4:
		p.addFile(path, at/5, data)
		return
	}
	for name, files := range p.files {
		p.touched[name] = p.touched[name] || slices.Contains(files, filepath.Base(path))
	}
}

// addFile writes a file beside another, whose name is shorter or the same.
func (p *patient) addFile(beside string, shorter int, data []byte) {
	dir, name := filepath.Split(beside)
	path := filepath.Join(dir, name[:len(name)-shorter%len(name)])
	if info, err := os.Lstat(path); err == nil && info.IsDir() { // made by harmFile
		return
	}
	must(p, os.WriteFile(path, data, 0o600))
}

// harmPage alters a byte of a page of the database that begins the file or has
// entries. Others can lead bbolt in a circle: see package boltkv. So can the one
// that says where the entries begin, once something is written in a wrong place.
func (p *patient) harmPage(at int, mask byte) {
	path := filepath.Join(p.dir, "meta.db")
	data, err := os.ReadFile(path)
	must(p, err)
	const size, leaf, bucket = 4096, 2, 1
	var places []int
	for page := 0; page+size <= len(data); page += size {
		if page < 2*size || binary.NativeEndian.Uint16(data[page+8:]) == leaf && binary.NativeEndian.Uint32(data[page+16:]) != bucket {
			places = append(places, page)
		}
	}
	page := places[at%len(places)]
	data[page+16+at/len(places)%(size-16)] ^= mask
	must(p, os.WriteFile(path, data, 0o600))
	p.pages = true
}
