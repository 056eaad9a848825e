package jettison_test

import (
	"context"
	"fmt"
	"log"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

func Example() {
	ctx := context.Background()
	store, err := kvstore.New(ctx, memkv.New(), nil)
	if err != nil {
		log.Fatal(err)
	}
	err = store.Edit(ctx, func(tx *kvstore.Tx) error {
		app, err := tx.Images.Create(ctx, imagestore.Spec{Config: []byte(`{"rootfs":{"type":"layers"}}`)})
		if err != nil {
			return err
		}
		name, _ := reference.ParseNormalizedNamed("app:1.0")
		return tx.Tag(ctx, app.ID, name, refstore.AddOptions{})
	})
	if err != nil {
		log.Fatal(err)
	}
	records, err := jettison.New(store, nil).ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{})
	fmt.Println(records, err)
	// Output:
	// [Untagged: app:1.0 Deleted: sha256:771d8c9be16b0dab3efba69c21e6e7bfdd23e2a044e2dfae68acaefe3b8bd0e6] <nil>
}

// exampleStore is a store with the image app:1.0, built from base, and another
// image built from base.
func exampleStore(ctx context.Context) *kvstore.Store {
	store, err := kvstore.New(ctx, memkv.New(), nil)
	if err != nil {
		log.Fatal(err)
	}
	var parent digest.Digest
	for _, c := range []struct{ author, name string }{{"base", "base:1.0"}, {"app", "app:1.0"}, {"tool", "tool:1.0"}} {
		err := store.Edit(ctx, func(tx *kvstore.Tx) error {
			config := fmt.Sprintf(`{"author":%q,"rootfs":{"type":"layers"}}`, c.author)
			made, err := tx.Images.Create(ctx, imagestore.Spec{Config: []byte(config), Parent: parent})
			if err != nil {
				return err
			}
			if parent == "" {
				parent = made.ID
			}
			name, err := reference.ParseNormalizedNamed(c.name)
			if err != nil {
				return err
			}
			return tx.Tag(ctx, made.ID, name, refstore.AddOptions{})
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	return store
}

// What a deletion would do, what it would leave alone, and why. Nothing is
// changed before the plan is applied.
func ExampleService_PlanDelete() {
	ctx := context.Background()
	service := jettison.New(exampleStore(ctx), nil)

	plan, err := service.PlanDelete(ctx, []string{"app:1.0", "base:1.0"}, jettison.RemoveOptions{PruneChildren: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, removal := range plan.Removals {
		for _, record := range removal.Records() {
			fmt.Println(record)
		}
		for _, kept := range removal.Kept {
			fmt.Println("Kept:", kept)
		}
	}
	records, err := service.Apply(ctx, plan)
	fmt.Println(len(records), "records,", err)
	// Output:
	// Untagged: app:1.0
	// Deleted: sha256:0cd425b88e8a2ed6b5d12dd2094b87ad88382dca6e6922f17be766fb1fd26e5b
	// Kept: dependent child sha256:33c989a0ce2af0739f0c784bea58854c671c639a87e3a880cab3164de0137424, active reference base:1.0
	// Untagged: base:1.0
	// Kept: dependent child sha256:33c989a0ce2af0739f0c784bea58854c671c639a87e3a880cab3164de0137424
	// 3 records, <nil>
}

// A refusal says everything that stands in the way, each with a hint.
func Example_conflict() {
	ctx := context.Background()
	store := exampleStore(ctx)
	service := jettison.New(store, nil)

	plan, err := service.PlanDelete(ctx, []string{"base:1.0"}, jettison.RemoveOptions{})
	if err != nil {
		log.Fatal(err)
	}
	base := plan.Removals[0].Image
	err = store.Edit(ctx, func(tx *kvstore.Tx) error {
		_, err := tx.Containers.Add(ctx, jettison.Container{ID: "0123456789abcdef", Name: "web", Image: base, Running: true})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = service.ImageDelete(ctx, base.String(), jettison.RemoveOptions{})
	fmt.Printf("%+v\n", err)
	// Output:
	// conflict: unable to delete dd78e3d0e286 (cannot be forced) - image has dependent child images
	//   - dependent child sha256:0cd425b88e8a2ed6b5d12dd2094b87ad88382dca6e6922f17be766fb1fd26e5b; delete the child image first
	//   - dependent child sha256:33c989a0ce2af0739f0c784bea58854c671c639a87e3a880cab3164de0137424; delete the child image first
	//   - running container web (0123456789ab); stop and remove the container first
}

// An image goes with the containers that use it, if nothing else keeps it.
func ExampleService_ImagesDelete_removeContainers() {
	ctx := context.Background()
	store := exampleStore(ctx)
	service := jettison.New(store, nil)

	app, err := service.Resolve(ctx, "app:1.0")
	if err != nil {
		log.Fatal(err)
	}
	base, err := service.Resolve(ctx, "base:1.0")
	if err != nil {
		log.Fatal(err)
	}
	err = store.Edit(ctx, func(tx *kvstore.Tx) error {
		web := jettison.Container{ID: "0123456789abcdef", Name: "web", Image: app.Image.ID, Running: true}
		_, err := tx.Containers.Add(ctx, web)
		if err != nil {
			return err
		}
		_, err = tx.Containers.Add(ctx, jettison.Container{ID: "fedcba9876543210", Name: "work", Image: base.Image.ID})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	// The base has children, so its container stays too.
	reports, err := service.ImagesDelete(ctx, []string{"app:1.0", base.Image.ID.String()}, jettison.RemoveOptions{RemoveContainers: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, report := range reports {
		fmt.Println(report.Containers, report.Records, report.Err)
	}
	// Output:
	// [running container web (0123456789ab)] [Untagged: app:1.0 Deleted: sha256:0cd425b88e8a2ed6b5d12dd2094b87ad88382dca6e6922f17be766fb1fd26e5b] <nil>
	// [] [] conflict: unable to delete dd78e3d0e286 (cannot be forced) - image has dependent child images
}
