package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/kvstore"
)

// A lister lists what may stand on a command line.
type lister func(*cobra.Command, *kvstore.Tx) ([]string, error)

// complete makes a completion of arguments: the first from first, the second
// from second and so on, the rest from the last of them. Nil completes nothing.
// What is there already is not offered again.
func (s *settings) complete(lists ...lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		list := lists[min(len(args), len(lists)-1)]
		if list == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		quick := *s
		quick.wait = 100 * time.Millisecond // somebody waits for the answer
		err := quick.read(cmd, func(store *opened) error {
			return store.Read(cmd.Context(), func(tx *kvstore.Tx) (err error) {
				words, err = list(cmd, tx)
				return err
			})
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words = slices.DeleteFunc(words, func(word string) bool {
			return !strings.HasPrefix(word, begin) || slices.Contains(args, word)
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// listReferences lists the familiar names of images.
func listReferences(cmd *cobra.Command, tx *kvstore.Tx) ([]string, error) {
	var names []string
	for tag, err := range tx.References.All(cmd.Context()) {
		if err != nil {
			return nil, err
		}
		names = append(names, reference.FamiliarString(tag.Ref))
	}
	return names, nil
}

// listContainerNames lists the names of containers that can be read, or their
// IDs.
func listContainerNames(cmd *cobra.Command, tx *kvstore.Tx) ([]string, error) {
	var names []string
	for c, err := range tx.Containers.All(cmd.Context()) {
		if err == nil {
			names = append(names, cmp.Or(c.Name, c.ID))
		}
	}
	return names, nil
}
