package podman

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
)

// errNoRecord says that Podman has no record of a container of its own.
var errNoRecord = errors.New("podman has no such container")

// Command returns a function for [Options.RemoveContainer] that runs Podman's
// command on the store: the program, these global options and those that name the
// store, then "rm --force" and the ID. A container that runs is stopped as Podman
// does it; its volumes stay. Once the program runs, the context does not end it:
// half a removal would be worse.
func Command(store storage.Store, program string, options ...string) func(context.Context, jettison.Container) error {
	args := append(slices.Clone(options), layoutOf(store).podmanOptions()...)
	return func(ctx context.Context, c jettison.Container) error {
		path, err := exec.LookPath(program)
		if err != nil {
			return errors.Errorf("it is Podman's own, and there is no program %s to remove it with: do that with `podman rm --force %s`", program, c.ID)
		}
		cmd := exec.CommandContext(context.WithoutCancel(ctx), path, append(slices.Clone(args), "rm", "--force", c.ID)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		err = cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			return errNoRecord
		}
		return errors.WithMessage(err, program+" rm: "+strings.TrimSpace(said.String()))
	}
}

// podmanOptions are the global options that make Podman use the store.
func (l layout) podmanOptions() []string {
	options := []string{"--root", l.root, "--runroot", l.runRoot, "--storage-driver", l.driver}
	if l.imageStore != "" {
		options = append(options, "--imagestore", l.imageStore)
	}
	return options
}
