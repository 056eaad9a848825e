package diskstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// A directory becomes a store; an image comes in and goes again, with its
// bytes.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	store, err := diskstore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // an example

	ingest, err := store.Ingest(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer ingest.Close() //nolint:errcheck // never fails
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`
	content, err := ingest.Write(ctx, strings.NewReader(config), ocispec.Descriptor{})
	if err != nil {
		log.Fatal(err)
	}
	err = ingest.Commit(ctx, func(tx *kvstore.Tx) error {
		image, err := tx.Images.Create(ctx, imagestore.Spec{
			Config:  []byte(config),
			Content: []ocispec.Descriptor{content},
		})
		if err != nil {
			return err
		}
		name, err := reference.ParseNormalizedNamed("app:1.0")
		if err != nil {
			return err
		}
		return tx.Tag(ctx, image.ID, name, refstore.AddOptions{})
	})
	if err != nil {
		log.Fatal(err)
	}

	records, err := jettison.New(store, nil).ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Untagged:", records[0].Untagged)
	fmt.Println("Deleted:", records[1].Deleted)
	_, err = store.Blob(ctx, content.Digest)
	fmt.Println(err != nil)
	// Output:
	// Untagged: app:1.0
	// Deleted: sha256:b091a0ad63d887bde24bcdaa9c46fb026b000b0d35c2ef80a8637b0b906ae3b8
	// true
}
