package main

import (
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
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
		Example: "  jettison container add web web:1.0 --running\n  jettison container ls",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		only(onDisk, newContainerAdd(set)), only(withContainers, newContainerList(set)), only(onDisk, newContainerStart(set)),
		only(onDisk, newContainerStop(set)), only(onDisk, newContainerRemove(set)),
	)
	return cmd
}

func newContainerAdd(set *settings) *cobra.Command {
	var running bool
	var mounts []string
	cmd := &cobra.Command{
		Use:     "add NAME REF",
		Short:   "Record a container created from an image, and print its ID",
		Example: "  jettison container add web web:1.0 --running\n  jettison container add job app:1.0 --mount data:1.0",
		Args:    operands("NAME REF", 2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(args[0]) == "" {
				return errors.New("a container needs a name")
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.addContainer(cmd, jettison.Container{Name: args[0], Running: running}, args[1], mounts)
			})(cmd, args)
		},
		ValidArgsFunction: set.complete(nil, listReferences, nil),
	}
	cmd.Flags().BoolVar(&running, "running", false, "the container runs")
	cmd.Flags().StringSliceVar(&mounts, "mount", nil, "an `IMAGE` that it mounts; may be repeated")
	return cmd
}

// addContainer records a container. Nobody else has the store open, and the
// record is made only if its images are there then: no lease has to hold them.
func (s *settings) addContainer(cmd *cobra.Command, c jettison.Container, image string, mounts []string) error {
	ctx := cmd.Context()
	return s.change(cmd, func(store *opened) error {
		found, err := store.service.Resolve(ctx, image)
		if err != nil {
			return err
		}
		c.Image = found.Image.ID
		for _, mount := range mounts {
			if found, err = store.service.Resolve(ctx, mount); err != nil {
				return err
			}
			c.Mounts = append(c.Mounts, found.Image.ID)
		}
		err = store.disk.Edit(ctx, func(tx *kvstore.Tx) (err error) {
			c, err = tx.Containers.Add(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		return s.print(cmd.OutOrStdout(), containerOf(c), c.ID)
	})
}

// containerRow is the JSON of a container.
type containerRow struct {
	ID      string `json:",omitempty"`
	Name    string
	Image   digest.Digest   `json:",omitempty"`
	Mounts  []digest.Digest `json:",omitempty"`
	Running bool
	Owner   string `json:",omitempty"` // if that is another than the engine
}

func containerOf(c jettison.Container) containerRow {
	return containerRow{ID: c.ID, Name: c.Name, Image: c.Image, Mounts: c.Mounts, Running: c.Running, Owner: c.Owner}
}

func newContainerList(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the recorded containers, by ID",
		Example: "  jettison container ls\n  jettison container ls --format json",
		Args:    noArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return set.read(cmd, func(store *opened) error { return set.listContainers(cmd, store) })
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// listContainers prints the containers. Records that are damaged come last, as
// errors.
func (s *settings) listContainers(cmd *cobra.Command, store *opened) error {
	out := s.table(cmd.OutOrStdout(), "CONTAINER ID\tIMAGE ID\tSTATUS\tNAME")
	var failures []failure
	err := store.walkContainers(cmd.Context(), func(c jettison.Container, err error) error {
		switch {
		case errors.Is(err, jettison.ErrInternal):
			failures = append(failures, failure{err: err})
			return nil
		case err != nil:
			return err
		}
		status := "stopped"
		if c.Running {
			status = "running"
		}
		out.row(containerOf(c), conflict.Short(c.ID), conflict.Short(c.Image.String()), status, c.Name)
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	return s.reportAll(cmd, failures)
}
