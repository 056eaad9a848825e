package main

import (
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
)

const rootLong = `Jettison removes container images: it untags references, deletes images and
layers that nothing needs any more, and says what stands in the way.

The store is a directory, given by --store, else by $JETTISON_STORE, else
jettison in the user's data directory. Only load, import and copy create one. One
command at a time changes a store; any number may read it meanwhile. With oci:DIR
the store is an OCI image layout, made by any tool; it keeps no records of
containers.

With containerd[:ADDRESS] the store is the images of one namespace of a containerd:
what Docker, Kubernetes, nerdctl and ctr have there. ADDRESS is its socket, by
default $CONTAINERD_ADDRESS, else /run/containerd/containerd.sock; the namespace
that of --namespace, else $CONTAINERD_NAMESPACE, else "default". It must be there:
Docker's is "moby", that of Kubernetes "k8s.io". Containers are those that the
daemon knows there, and in other namespaces that --namespace names after a comma.
Nothing that others do there is waited for.

With podman, podman:ROOT or podman:DRIVER@ROOT+RUNROOT the store is Podman's, which
Podman and Buildah may use meanwhile; what is not given is as Podman has it, by
storage.conf. Containers are those that are there, whoever made them. Without
root rights run "podman unshare jettison", for the files belong to other users.

Results go to standard output, all else to standard error. With --format json
errors and warnings are JSON too, one value per line, but for wrong usage.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted. What
had been committed before an interrupt stays. rmi and prune have those of Podman
with --exit-codes podman.`

const rootExample = `  jettison load -i images.tar
  jettison images
  jettison rmi --dry-run app:1.0
  jettison rmi app:1.0
  jettison prune -a --dry-run --explain
  jettison --store containerd --namespace k8s.io images
  jettison --store podman prune -a --dry-run`

// settings are what the flags common to all commands say.
type settings struct {
	store     string
	namespace string
	format    string
	wait      time.Duration
}

func newRoot() *cobra.Command {
	set := &settings{}
	root := &cobra.Command{
		Use:               "jettison",
		Short:             "Remove container images, safely",
		Long:              rootLong,
		Example:           rootExample,
		Version:           readVersion().String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              subcommand,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("namespace") && set.namespace == "" {
				return errors.New("--namespace is empty: want a name")
			}
			if err := set.check(); err != nil {
				return err
			}
			return set.suits(cmd)
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(newHelp())
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.StringVar(&set.store, "store", defaultStore(), "directory `DIR` of the store, or oci:DIR, containerd[:ADDRESS] or podman[:ROOT]")
	flags.StringVar(&set.namespace, "namespace", "", "`NAMESPACE` of a containerd, after commas others whose containers use its images (default: $CONTAINERD_NAMESPACE, else \"default\")")
	flags.StringVar(&set.format, "format", formatText, "output `FORM`: text, or json for one JSON value per line")
	flags.DurationVar(&set.wait, "wait", time.Second, "`DURATION` to wait while another process changes the store, or for a daemon to answer")
	_ = root.RegisterFlagCompletionFunc("format", // fails only for a flag that is not there
		cobra.FixedCompletions([]string{formatText, formatJSON}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		only(onDisk, newLoad(set)), newImages(set), only(ofOurs, newTag(set)), newRemove(set), newPrune(set), newContainer(set), newLease(set),
		newInspect(set), newTree(set), only(ofOurs, newCheck(set)), newVersion(set), newCompletion(),
		only(ofOurs, newSave(set)), only(onDisk, newImport(set)), newCopy(set), newHistory(set),
	)
	return root
}

// action makes a cobra action of fn, whose errors are failures of a command
// that was understood.
func action(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fn(cmd, args); err != nil {
			return failed{err}
		}
		return nil
	}
}
