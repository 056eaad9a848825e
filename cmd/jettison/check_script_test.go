package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
)

// harm removes or alters the file of the topmost layer of an image: harm IMAGE
// remove|alter.
func harm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: harm IMAGE remove|alter")
	}
	dir := ts.Getenv("JETTISON_STORE")
	content, err := topContent(dir, args[0])
	ts.Check(err)
	path := filepath.Join(dir, "blobs", content.Algorithm().String(), content.Encoded())
	if args[1] == "remove" {
		ts.Check(os.Remove(path))
		return
	}
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}

// topContent is the content of the topmost layer of an image.
func topContent(dir, image string) (content digest.Digest, err error) {
	ctx := context.Background()
	store, err := diskstore.Open(ctx, dir, &diskstore.Options{ReadOnly: true})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	found, err := jettison.New(store, nil).Resolve(ctx, image)
	if err != nil {
		return "", err
	}
	err = store.Read(ctx, func(tx *kvstore.Tx) error {
		layer, err := tx.Images.Layer(ctx, found.Image.Layer)
		if err == nil {
			content = layer.Content[0].Digest
		}
		return err
	})
	return content, err
}
