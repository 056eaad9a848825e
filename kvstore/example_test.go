package kvstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// A store in memory, with an image that a container keeps busy.
func ExampleNew() {
	ctx := context.Background()
	store, err := kvstore.New(ctx, memkv.New(), nil)
	if err != nil {
		log.Fatal(err)
	}
	err = store.Edit(ctx, func(tx *kvstore.Tx) error {
		image, err := tx.Images.Create(ctx, imagestore.Spec{
			Config: []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`),
		})
		if err != nil {
			return err
		}
		name, err := reference.ParseNormalizedNamed("app:1.0")
		if err != nil {
			return err
		}
		if err := tx.Tag(ctx, image.ID, name, refstore.AddOptions{}); err != nil {
			return err
		}
		_, err = tx.Containers.Add(ctx, jettison.Container{ID: "4f66ad9a0b2e", Name: "web", Image: image.ID, Running: true})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	_, err = jettison.New(store, nil).ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{})
	fmt.Println(err)
	// Output:
	// conflict: unable to remove repository reference "app:1.0" (must force) - container 4f66ad9a0b2e is using its referenced image b091a0ad63d8
}
