package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/kvstore"
)

func newContainer(set *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "container",
		Short: "Keep records of the containers that use images",
		Long: `Keep records of the containers that use images, so that images in use are not
removed. It runs nothing: whatever runs the containers keeps the records.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newContainerAdd(set), newContainerList(set),
		newContainerChange(set, "start NAME...", "Record that containers run", (*kvstore.Containers).Start),
		newContainerChange(set, "stop NAME...", "Record that containers have stopped", (*kvstore.Containers).Stop),
		newContainerRemove(set),
	)
	return cmd
}

func newContainerAdd(set *settings) *cobra.Command {
	var running bool
	var mounts []string
	cmd := &cobra.Command{
		Use:     "add NAME REF",
		Short:   "Record a container created from an image, and print its ID",
		Example: "  jettison container add web web:1.0 --running",
		Args:    cobra.ExactArgs(2),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return set.with(cmd.Context(), func(store *opened) error {
				c := jettison.Container{Name: args[0], Running: running}
				added, err := addContainer(cmd.Context(), store, c, args[1], mounts)
				if err != nil {
					return err
				}
				return set.print(cmd.OutOrStdout(), containerOf(added), added.ID)
			})
		}),
	}
	cmd.Flags().BoolVar(&running, "running", false, "the container runs")
	cmd.Flags().StringSliceVar(&mounts, "mount", nil, "an image that it mounts")
	return cmd
}

// addContainer records a container. The images are held by leases until its
// record holds them itself.
func addContainer(ctx context.Context, store *opened, c jettison.Container, image string, mounts []string) (added jettison.Container, err error) {
	for i, ref := range append([]string{image}, mounts...) {
		lease, err := store.service.Lease(ctx, ref, jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: c.Name})
		if err != nil {
			return added, err
		}
		defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }()
		if i == 0 {
			c.Image = lease.Image
		} else {
			c.Mounts = append(c.Mounts, lease.Image)
		}
	}
	err = store.Edit(ctx, func(tx *kvstore.Tx) error {
		added, err = tx.Containers.Add(ctx, c)
		return err
	})
	return added, err
}

// containerRow is the JSON of a container.
type containerRow struct {
	ID      string
	Name    string
	Image   digest.Digest
	Mounts  []digest.Digest `json:",omitempty"`
	Running bool
}

func containerOf(c jettison.Container) containerRow {
	return containerRow{ID: c.ID, Name: c.Name, Image: c.Image, Mounts: c.Mounts, Running: c.Running}
}

func newContainerList(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the recorded containers, by ID",
		Args:  cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return set.with(cmd.Context(), func(store *opened) error {
				return store.Read(cmd.Context(), func(tx *kvstore.Tx) error {
					return set.listContainers(cmd, tx)
				})
			})
		}),
	}
}

func (s *settings) listContainers(cmd *cobra.Command, tx *kvstore.Tx) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 3, ' ', 0)
	if s.format == formatText {
		if _, err := fmt.Fprintln(table, "CONTAINER ID\tIMAGE ID\tSTATUS\tNAME"); err != nil {
			return err
		}
	}
	for c, err := range tx.Containers.All(cmd.Context()) {
		if err != nil {
			return err
		}
		status := "stopped"
		if c.Running {
			status = "running"
		}
		row := fmt.Sprintf("%s\t%s\t%s\t%s", conflict.Short(c.ID), conflict.Short(c.Image.String()), status, c.Name)
		if err := s.print(table, containerOf(c), row); err != nil {
			return err
		}
	}
	return table.Flush()
}

// newContainerChange makes a command that changes the state of containers.
func newContainerChange(set *settings, use, short string, change func(*kvstore.Containers, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return set.editContainers(cmd, args, change)
		}),
	}
}

func newContainerRemove(set *settings) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Forget containers",
		Args:  cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return set.editContainers(cmd, args, func(c *kvstore.Containers, ctx context.Context, name string) error {
				return c.Remove(ctx, name, kvstore.RemoveOptions{Force: force})
			})
		}),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "forget running containers too")
	return cmd
}

// editContainers changes the named containers, all or none, and prints their
// names.
func (s *settings) editContainers(cmd *cobra.Command, names []string, change func(*kvstore.Containers, context.Context, string) error) error {
	err := s.with(cmd.Context(), func(store *opened) error {
		return store.Edit(cmd.Context(), func(tx *kvstore.Tx) error {
			for _, name := range names {
				if err := change(tx.Containers, cmd.Context(), name); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.print(cmd.OutOrStdout(), name, name); err != nil {
			return err
		}
	}
	return nil
}
