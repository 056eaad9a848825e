package kvstore_test

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// P10: an image is used when it is made or loaded again, tagged, and when a
// container is created from it or mounts it.
func TestLastUsed(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		now := newClock()
		s := open(t, db, &kvstore.Options{Now: now.Now})
		var app digest.Digest
		for _, use := range []struct {
			name string
			make func(tx *kvstore.Tx) error
		}{
			{"made", func(tx *kvstore.Tx) error {
				img, err := tx.CreateImage(t.Context(), spec(t, "app"))
				app = img.ID
				return err
			}},
			{"made again", func(tx *kvstore.Tx) error {
				_, err := tx.CreateImage(t.Context(), spec(t, "app"))
				return err
			}},
			{"tagged", func(tx *kvstore.Tx) error {
				return tx.Tag(t.Context(), app, parse(t, "app:1"), refstore.AddOptions{})
			}},
			{"run", func(tx *kvstore.Tx) error {
				_, err := tx.Containers.Add(t.Context(), jettison.Container{Name: "c", Image: app})
				return err
			}},
			{"mounted", func(tx *kvstore.Tx) error {
				_, err := tx.Containers.Add(t.Context(), jettison.Container{Name: "m", Mounts: []digest.Digest{app}})
				return err
			}},
		} {
			now.now = now.now.Add(time.Hour)
			edit(t, s, use.make)
			must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
				img, err := tx.Images.Get(t.Context(), app)
				if !img.LastUsed.Equal(now.now) {
					t.Errorf("%s: got last use %s, want %s", use.name, img.LastUsed, now.now)
				}
				return err
			}))
		}
	})
}
