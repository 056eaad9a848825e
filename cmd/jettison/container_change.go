package main

import (
	"context"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kvstore"
)

// A containerChange changes the container that name means and returns it as it
// is then, or as it was last.
type containerChange func(ctx context.Context, containers *kvstore.Containers, name string) (jettison.Container, error)

func newContainerStart(set *settings) *cobra.Command {
	return newContainerChange(set, &cobra.Command{
		Use:     "start NAME...",
		Short:   "Record that containers run",
		Example: "  jettison container start web",
	}, func(ctx context.Context, containers *kvstore.Containers, name string) (jettison.Container, error) {
		if err := containers.Start(ctx, name); err != nil {
			return jettison.Container{}, err
		}
		return containers.Get(ctx, name)
	})
}

func newContainerStop(set *settings) *cobra.Command {
	return newContainerChange(set, &cobra.Command{
		Use:     "stop NAME...",
		Short:   "Record that containers have stopped",
		Example: "  jettison container stop web",
	}, func(ctx context.Context, containers *kvstore.Containers, name string) (jettison.Container, error) {
		if err := containers.Stop(ctx, name); err != nil {
			return jettison.Container{}, err
		}
		return containers.Get(ctx, name)
	})
}

func newContainerRemove(set *settings) *cobra.Command {
	var opts kvstore.RemoveOptions
	cmd := newContainerChange(set, &cobra.Command{
		Use:     "rm NAME...",
		Short:   "Forget containers",
		Example: "  jettison container rm web\n  jettison container rm -f web job",
	}, func(ctx context.Context, containers *kvstore.Containers, name string) (jettison.Container, error) {
		c, err := containers.Get(ctx, name)
		if errors.Is(err, jettison.ErrInternal) { // damaged: only its name is known
			c = jettison.Container{Name: name}
		}
		return c, containers.Remove(ctx, name, opts)
	})
	cmd.Flags().BoolVarP(&opts.Force, "force", "f", false, "forget containers that run, or whose record is damaged, too")
	return cmd
}

// newContainerChange makes cmd, which has its texts, a command that changes
// the containers that it names, all or none, and prints them.
func newContainerChange(set *settings, cmd *cobra.Command, change containerChange) *cobra.Command {
	cmd.Args = operands("NAME...", 1, anyNumber)
	cmd.ValidArgsFunction = set.complete(listContainerNames)
	cmd.RunE = action(func(cmd *cobra.Command, names []string) error {
		var changed []jettison.Container
		err := set.change(cmd, func(store *opened) error {
			return store.disk.Edit(cmd.Context(), func(tx *kvstore.Tx) error {
				changed = nil
				for _, name := range names {
					c, err := change(cmd.Context(), tx.Containers, name)
					if err != nil {
						return err
					}
					changed = append(changed, c)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		out := printer{w: cmd.OutOrStdout()}
		for i, c := range changed {
			out.value(set.format, containerOf(c), names[i])
		}
		return out.err
	})
	return cmd
}
