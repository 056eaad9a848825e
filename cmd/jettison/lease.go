package main

import (
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

func newLease(set *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease",
		Short: "Look after the leases that hold images",
		Long: `Look after the leases by which programs hold images while a pull, a build or the
creation of a container is under way. What died meanwhile may have left one.`,
		Example: "  jettison lease ls\n  jettison lease rm 4FZQJX5WAOQHK2WUPZ7R6JKXQZ",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLeaseList(set), newLeaseRemove(set))
	return cmd
}

// leaseRow is the JSON of a lease in a list.
type leaseRow struct {
	leaseDetails
	Image digest.Digest
}

func newLeaseList(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the leases that have not expired, by image",
		Example: "  jettison lease ls\n  jettison lease ls --format json",
		Args:    noArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return set.read(cmd, func(store *opened) error {
				return store.View(cmd.Context(), func(stores jettison.Stores) error {
					return set.listLeases(cmd, stores)
				})
			})
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

func (s *settings) listLeases(cmd *cobra.Command, stores jettison.Stores) error {
	out := s.table(cmd.OutOrStdout(), "LEASE ID\tIMAGE ID\tKIND\tOWNER\tEXPIRES")
	failures, err := walkLeases(cmd, stores, func(image digest.Digest, lease conflict.Lease) {
		if !lease.Live(time.Now()) {
			return
		}
		expires := "never"
		if !lease.Expires.IsZero() {
			expires = lease.Expires.Format(time.RFC3339)
		}
		out.row(leaseRow{leaseDetails: leaseOf(lease), Image: image},
			lease.ID, conflict.Short(image.String()), string(lease.Kind), lease.Owner, expires)
	})
	if err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	return s.reportAll(cmd, failures)
}

// walkLeases calls fn for each lease, by image. The failures are the images
// whose leases are damaged.
func walkLeases(cmd *cobra.Command, stores jettison.Stores, fn func(digest.Digest, conflict.Lease)) ([]failure, error) {
	var failures []failure
	for img, err := range stores.Images.All(cmd.Context()) {
		var unreadable *imagestore.UnreadableError
		switch {
		case errors.As(err, &unreadable):
			img.ID = unreadable.ID
		case err != nil:
			return nil, err
		}
		leases, err := stores.Leases.Leases(cmd.Context(), img.ID)
		switch {
		case errors.Is(err, jettison.ErrInternal):
			failures = append(failures, failure{reference: img.ID.String(), err: err})
		case err != nil:
			return nil, err
		}
		for _, lease := range leases {
			fn(img.ID, lease)
		}
	}
	return failures, nil
}

func newLeaseRemove(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "rm ID...",
		Short:   "Release leases, all or none",
		Example: "  jettison lease rm 4FZQJX5WAOQHK2WUPZ7R6JKXQZ",
		Args:    operands("ID...", 1, anyNumber),
		RunE: action(func(cmd *cobra.Command, ids []string) error {
			return set.change(cmd, func(store *opened) error {
				err := store.Update(cmd.Context(), func(stores jettison.Stores) error { return removeLeases(cmd, stores, ids) })
				if err != nil {
					return err
				}
				out := printer{w: cmd.OutOrStdout()}
				for _, id := range ids {
					out.value(set.format, struct{ ID string }{id}, id)
				}
				return out.err
			})
		}),
		ValidArgsFunction: set.complete(listLeaseIDs),
	}
}

func removeLeases(cmd *cobra.Command, stores jettison.Stores, ids []string) error {
	imageOf := make(map[string]digest.Digest)
	failures, err := walkLeases(cmd, stores, func(image digest.Digest, lease conflict.Lease) { imageOf[lease.ID] = image })
	if err != nil {
		return err
	}
	for _, id := range ids {
		image, ok := imageOf[id]
		switch {
		case !ok && len(failures) > 0: // it may be among those that cannot be read
			return failures[0].err
		case !ok:
			return class.Errorf(class.NotFound, "No such lease: %s", id)
		}
		if err := stores.Leases.Remove(cmd.Context(), image, id); err != nil {
			return err
		}
	}
	return nil
}

// listLeaseIDs lists the leases that can be read.
func listLeaseIDs(cmd *cobra.Command, store *opened) ([]string, error) {
	var ids []string
	err := store.View(cmd.Context(), func(stores jettison.Stores) error {
		_, err := walkLeases(cmd, stores, func(_ digest.Digest, lease conflict.Lease) { ids = append(ids, lease.ID) })
		return err
	})
	return ids, err
}
