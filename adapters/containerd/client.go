package containerd

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/jettison-oci/jettison/internal/class"
)

// Dial connects to the daemon that listens on the socket at this path, by default
// /run/containerd/containerd.sock, and returns a backend over it. The path may begin
// with "unix://". Close of the client that it returns too ends the connection.
//
// The error is of class Unavailable when nothing listens there, or the socket may
// not be used, and of class InvalidArgument for options that make no sense. The
// context bounds the wait for the daemon.
func Dial(ctx context.Context, address string, opts *Options) (*Backend, *client.Client, error) {
	address = cmp.Or(strings.TrimPrefix(address, "unix://"), defaults.DefaultAddress)
	if absolute, err := filepath.Abs(address); err == nil { // else gRPC takes it for an authority
		address = absolute
	}
	if err := look(ctx, address); err != nil {
		return nil, nil, err
	}
	c, err := client.New(address)
	if err != nil {
		return nil, nil, class.Errorf(class.Unavailable, "containerd: connect to %s: %w", address, err)
	}
	services, err := FromClient(ctx, c)
	if err == nil {
		var b *Backend
		if b, err = New(services, opts); err == nil {
			return b, c, nil
		}
	}
	_ = c.Close() // nothing was asked of it
	return nil, nil, err
}

// FromClient returns the services of a daemon. It asks the daemon for its
// version, on which depends what it can do; the error is of class Unavailable when
// it does not answer.
func FromClient(ctx context.Context, c *client.Client) (Services, error) {
	version, err := c.Version(in(ctx, namespaces.Default))
	if err != nil {
		return Services{}, failed("ask the daemon for its version", err)
	}
	return Services{
		Images:      c.ImageService(),
		Content:     c.ContentStore(),
		Leases:      c.LeasesService(),
		Snapshotter: c.SnapshotService,
		Containers:  c.ContainerService(),
		Tasks:       daemonTasks{c.TaskService()},
		Namespaces:  c.NamespaceService(),
		Version:     version.Version,
	}, nil
}
