package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/identifiers"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/internal/class"
)

// containerdKind is the kind of stores that a containerd has.
func containerdKind() kind {
	return kind{name: "containerd", title: "a containerd daemon", check: checkContainerd, open: withContainerd}
}

// checkContainerd refuses a namespace that cannot be one, and no time at all.
func checkContainerd(s *settings, _ string) error {
	if s.wait == 0 {
		return errors.New("--wait 0s: a daemon needs some time to answer")
	}
	source := "--namespace"
	if s.namespace == "" {
		source = "$CONTAINERD_NAMESPACE"
	}
	for _, namespace := range s.containerdNamespaces() {
		if err := identifiers.Validate(namespace); err != nil {
			return errors.Wrap(err, source)
		}
	}
	return nil
}

// containerdNamespaces are those of --namespace, else that of
// $CONTAINERD_NAMESPACE, else that of ctr and nerdctl. The first has the images.
func (s *settings) containerdNamespaces() []string {
	return strings.Split(cmp.Or(s.namespace, os.Getenv("CONTAINERD_NAMESPACE"), "default"), ",")
}

// withContainerd is with for a containerd, whose address is the path of its
// socket: by default $CONTAINERD_ADDRESS, else where it is installed as usual.
// The daemon has s.wait to answer for the first time; after that it may take as
// long as it likes.
func withContainerd(ctx context.Context, s *settings, address string, log *slog.Logger, fn func(*opened) error) (err error) {
	dialing, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	namespaces := s.containerdNamespaces()
	store, daemon, err := containerd.Dial(dialing, cmp.Or(address, os.Getenv("CONTAINERD_ADDRESS")),
		&containerd.Options{Namespace: namespaces[0], Namespaces: namespaces[1:]})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return class.Errorf(class.Unavailable, "%w; --wait says how long to wait for it", err)
	case err != nil:
		return err
	}
	defer func() {
		if closeErr := daemon.Close(); err == nil && closeErr != nil {
			err = class.Wrap(class.Unavailable, closeErr)
		}
	}()
	if err := checkThere(dialing, daemon, namespaces, log); err != nil {
		return err
	}
	return fn(&opened{Backend: store, service: jettison.New(store, &jettison.Options{Logger: log})})
}

// checkThere refuses a namespace that the daemon does not have, for an empty one
// looks the same and its name may be mistyped; of further ones it warns. A daemon
// that has none yet is a new one.
func checkThere(ctx context.Context, c *client.Client, namespaces []string, log *slog.Logger) error {
	there, err := c.NamespaceService().List(ctx)
	if err != nil {
		return class.Errorf(class.Unavailable, "containerd: list namespaces: %w", err)
	}
	slices.Sort(there)
	for i, namespace := range namespaces {
		switch {
		case len(there) == 0 || slices.Contains(there, namespace):
		case i == 0:
			return class.Errorf(class.NotFound, "containerd has no namespace %q: there are %s; --namespace says which to use", namespace, strings.Join(there, ", "))
		default:
			log.WarnContext(ctx, "containerd has no such namespace", "namespace", namespace)
		}
	}
	return nil
}
