package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
)

// A lister lists what may stand on a command line.
type lister func(*cobra.Command, *opened) ([]string, error)

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
		err := quick.read(cmd, func(store *opened) (err error) {
			words, err = list(cmd, store)
			return err
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
func listReferences(cmd *cobra.Command, store *opened) ([]string, error) {
	var names []string
	err := store.View(cmd.Context(), func(stores jettison.Stores) error {
		for tag, err := range stores.References.All(cmd.Context()) {
			if err != nil {
				return err
			}
			names = append(names, reference.FamiliarString(tag.Ref))
		}
		return nil
	})
	return names, err
}

// listContainerNames lists the names of containers that can be read, or their
// IDs.
func listContainerNames(cmd *cobra.Command, store *opened) ([]string, error) {
	if store.disk == nil {
		return nil, nil
	}
	var names []string
	err := store.walkContainers(cmd.Context(), func(c jettison.Container, err error) error {
		if err == nil {
			names = append(names, cmp.Or(c.Name, c.ID))
		}
		return nil
	})
	return names, err
}
