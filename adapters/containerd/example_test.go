package containerd_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/plugins/content/local"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
)

// A program that has containerd's metadata store in itself deletes images there.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example leaves what it cannot remove
	records, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer records.Close() //nolint:errcheck // it goes with the directory
	content, err := local.NewStore(filepath.Join(dir, "content"))
	if err != nil {
		log.Fatal(err)
	}
	db := metadata.NewDB(records, content, nil)
	b, err := containerd.New(containerd.Services{
		Images:      metadata.NewImageStore(db),
		Content:     db.ContentStore(),
		Leases:      metadata.NewLeaseManager(db),
		Containers:  metadata.NewContainerStore(db),
		Snapshotter: db.Snapshotter,
		Garbage:     db,
	}, &containerd.Options{Namespace: "builds"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = jettison.New(b, nil).ImageDelete(context.Background(), "app:1.0", jettison.RemoveOptions{})
	fmt.Println(err)
	// Output: No such image: app:1.0
}
