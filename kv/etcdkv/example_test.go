package etcdkv_test

import (
	"context"
	"log"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv/etcdkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// Machines that build images share what they know of them.
func Example() {
	ctx := context.Background()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://10.0.0.7:2379", "http://10.0.0.8:2379"}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	db, err := etcdkv.New(ctx, client, &etcdkv.Options{Prefix: "/ci/"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	store, err := kvstore.New(ctx, db, nil)
	if err != nil {
		log.Fatal(err)
	}
	// Others use the store meanwhile: they can come in between two batches.
	report, err := jettison.New(store, nil).ImagesPrune(ctx, jettison.PruneOptions{All: true, BatchSize: 500})
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%d records", len(report.ImagesDeleted))
}
