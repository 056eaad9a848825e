package kv_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

func Example() {
	ctx, db := context.Background(), memkv.New()
	defer func() { _ = db.Close() }()

	err := db.Update(ctx, func(tx kv.Tx) error {
		for _, key := range []string{"ref/app:2.0", "ref/app:1.0", "image/42"} {
			if err := tx.Put(ctx, []byte(key), []byte("42")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}

	// An Update that fails changes nothing.
	err = db.Update(ctx, func(tx kv.Tx) error {
		if err := tx.Delete(ctx, []byte("ref/app:1.0")); err != nil {
			return err
		}
		return errors.New("changed my mind")
	})
	fmt.Println(err)

	err = db.View(ctx, func(r kv.Reader) error {
		for e, err := range r.Scan(ctx, []byte("ref/")) {
			if err != nil {
				return err
			}
			fmt.Printf("%s names %s\n", e.Key, e.Value)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// changed my mind
	// ref/app:1.0 names 42
	// ref/app:2.0 names 42
}
