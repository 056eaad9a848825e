package transfer_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// An archive of docker save becomes an OCI image layout.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	store, err := diskstore.Open(ctx, filepath.Join(dir, "store"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // all is on disk already
	if _, err := transfer.Load(ctx, store, "../testdata/images/docker-archive.tar", transfer.LoadOptions{}); err != nil {
		log.Fatal(err)
	}
	saved, err := transfer.Save(ctx, store, filepath.Join(dir, "layout"), []string{"app", "web:1.0"}, transfer.SaveOptions{
		Format: transfer.OCILayout,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, img := range saved {
		for _, name := range img.Names {
			fmt.Println(reference.FamiliarString(name), img.ID.Encoded()[:12])
		}
	}
	// Output:
	// app:1.0 f6149a474233
	// app:latest f6149a474233
	// web:1.0 3dfe63d000c7
}
