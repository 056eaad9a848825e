package kvstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// A repair says what it did, and keeps what it changed.
func ExampleRepair() {
	ctx, db := context.Background(), memkv.New()
	if _, err := kvstore.New(ctx, db, nil); err != nil {
		log.Fatal(err)
	}
	err := db.Update(ctx, func(tx kv.Tx) error { return tx.Put(ctx, []byte("notes/today"), []byte("buy milk")) })
	if err != nil {
		log.Fatal(err)
	}
	findings, err := kvstore.Repair(ctx, db, kvstore.RepairOptions{
		Keep: func(_ context.Context, changes []kvstore.Change) error {
			for _, change := range changes {
				fmt.Printf("kept: %s = %s\n", change.Key, change.Old)
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	// Output:
	// kept: notes/today = buy milk
	// unknown key: notes/today: no store writes such a key; repaired: the entry is removed
}
