package main

import (
	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
)

func newTag(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "tag SOURCE TARGET",
		Short:   "Give an image another name",
		Long:    "Give the image SOURCE the further name TARGET. A name that another image has moves.",
		Example: "  jettison tag app:1.0 app:stable",
		Args:    operands("SOURCE TARGET", 2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := reference.ParseNormalizedNamed(args[1])
			if err != nil {
				return errors.Wrapf(err, "%q is not an image reference", args[1])
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.tag(cmd, args[0], target)
			})(cmd, args)
		},
		ValidArgsFunction: set.complete(listReferences, listReferences, nil),
	}
}

func (s *settings) tag(cmd *cobra.Command, source string, target reference.Named) error {
	return s.change(cmd, func(store *opened) error {
		found, err := store.service.Resolve(cmd.Context(), source)
		if err != nil {
			return err
		}
		if store.layout != nil {
			return misusedOr(store.layout.Edit(cmd.Context(), func(tx *ocilayout.Tx) error {
				return tx.Name(cmd.Context(), found.Image.ID, target, refstore.AddOptions{Force: true})
			}))
		}
		return misusedOr(store.disk.Edit(cmd.Context(), func(tx *kvstore.Tx) error {
			return tx.Tag(cmd.Context(), found.Image.ID, target, refstore.AddOptions{Force: true})
		}))
	})
}
