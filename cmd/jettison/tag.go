package main

import (
	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

func newTag(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "tag SOURCE TARGET",
		Short:   "Give an image another name",
		Long:    "Give the image SOURCE the further name TARGET. A name that another image has moves.",
		Example: "  jettison tag app:1.0 app:stable",
		Args:    cobra.ExactArgs(2),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			target, err := reference.ParseNormalizedNamed(args[1])
			if err != nil {
				return errors.Wrapf(err, "%q is not an image reference", args[1])
			}
			return set.with(cmd.Context(), func(store *opened) error {
				source, err := store.service.Resolve(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return store.Edit(cmd.Context(), func(tx *kvstore.Tx) error {
					return tx.Tag(cmd.Context(), source.Image.ID, target, refstore.AddOptions{Force: true})
				})
			})
		}),
	}
}
