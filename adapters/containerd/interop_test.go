//go:build interop && linux

package containerd_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/containerdtest"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// dial connects to a daemon until the test ends.
func dial(t testing.TB, d *containerdtest.Daemon) containerd.Services {
	t.Helper()
	c, err := client.New(d.Address())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() }) // nothing is under way then
	services, err := containerd.FromClient(t.Context(), c)
	must(t, err)
	return services
}

// spoil overwrites the bytes of content of a daemon.
func spoil(d *containerdtest.Daemon) func(digest.Digest) error {
	return func(id digest.Digest) error {
		data, err := os.ReadFile(d.Blob(id.String()))
		if err != nil {
			return err
		}
		return os.WriteFile(d.Blob(id.String()), append([]byte("damaged"), data...), 0o600)
	}
}

// The suite for stores and the scenarios of the repository hold on a daemon as
// they do in this process. Each case has one of its own: what other namespaces
// have of the same content would count; and it leaves to the case when garbage is
// collected.
func TestInteropStore(t *testing.T) {
	backend := fixture.Remote(func(t testing.TB) (containerd.Services, func(digest.Digest) error) {
		d := containerdtest.StartLazy(t)
		return dial(t, d), spoil(d)
	})
	t.Run("suite", func(t *testing.T) { storetest.Run(t, backend.Config()) })
	t.Run("scripts", func(t *testing.T) { scripttest.Run(t, backend, "../../testdata/script/*.txtar") })
}

// A daemon that may not answer with a long message is asked in pieces.
func TestInteropNamesInPieces(t *testing.T) {
	const n = 200
	d := containerdtest.Start(t)
	c, err := client.New(d.Address(), client.WithCallOpts([]grpc.CallOption{grpc.MaxCallRecvMsgSize(8192)}))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() }) // nothing is under way then
	services, err := containerd.FromClient(t.Context(), c)
	must(t, err)
	ctx := namespaces.WithNamespace(t.Context(), "default")
	for i := range n {
		target := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 1}
		_, err := services.Images.Create(ctx, images.Image{Name: fmt.Sprintf("docker.io/library/app:%d", i), Target: target})
		must(t, err)
	}
	if _, err := services.Images.List(ctx); !errdefs.IsResourceExhausted(err) {
		t.Fatalf("a whole list: got %v, want that it is too long", err)
	}
	backend, err := containerd.New(services, nil)
	must(t, err)
	plan, err := jettison.New(backend, nil).PlanPrune(t.Context(), jettison.PruneOptions{All: true})
	must(t, err)
	if len(plan.Removals) != n {
		t.Errorf("%d images, want %d", len(plan.Removals), n)
	}
}

// So do the scenarios of containerd's own.
func TestInteropContainerdScripts(t *testing.T) {
	runContainerdScripts(t, func(t testing.TB) *fixture.Process {
		t.Helper()
		p := &fixture.Process{Services: dial(t, containerdtest.Start(t)), Tasks: &fixture.Tasks{}}
		p.Services.Tasks = p.Tasks
		return p
	})
}
