package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/containerd/containerd/v2/pkg/identifiers"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/internal/class"
)

// containerdKind is the kind of stores that a containerd has.
func containerdKind() kind {
	return kind{name: "containerd", title: "a containerd", check: checkContainerd, open: withContainerd}
}

// checkContainerd refuses a namespace that cannot be one, and no time at all.
func checkContainerd(s *settings, _ string) error {
	if s.wait == 0 {
		return errors.New("--wait 0s: a daemon needs some time to answer")
	}
	for _, namespace := range s.containerdNamespaces() {
		if err := identifiers.Validate(namespace); err != nil {
			return errors.Wrap(err, "--namespace")
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
	store, client, err := containerd.Dial(dialing, cmp.Or(address, os.Getenv("CONTAINERD_ADDRESS")),
		&containerd.Options{Namespace: namespaces[0], Namespaces: namespaces[1:]})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return class.Errorf(class.Unavailable, "%w; --wait says how long to wait for it", err)
	case err != nil:
		return err
	}
	defer func() {
		if closeErr := client.Close(); err == nil && closeErr != nil {
			err = class.Wrap(class.Unavailable, closeErr)
		}
	}()
	return fn(&opened{Backend: store, service: jettison.New(store, &jettison.Options{Logger: log})})
}
