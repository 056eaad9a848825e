package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// removerCases are the promises of ContainerRemover, and what a service makes of
// it.
func removerCases() []testCase {
	return []testCase{
		{
			name: "remover/remove", rule: "D17", state: used, needs: removes, f: removeContainers,
			explanation: "RemoveContainer removes that container and no other, whether it runs or not, and its images are not used by it any more",
		},
		{
			name: "remover/missing", rule: "D15, D17", state: used, needs: removes, f: removeTwice,
			explanation: "of two removals of one container only one succeeds: the other is an error of class NotFound",
		},
		{
			name: "remover/beginning", state: used, needs: removes, f: removeBeginning,
			explanation: "RemoveContainer takes the container with that very ID, never one that is called so or begins so",
		},
		{
			name: "remover/view", state: used, needs: removes, f: removeInView,
			explanation: "removing a container through a View is an error and changes nothing",
		},
		{
			name: "remover/rollback", rule: "D14", state: used, needs: removes | atomic, f: removeAndFail,
			explanation: "when the function of Update fails, the containers that it removed are there",
		},
		{
			name: "remover/context", state: used, needs: removes, f: removeCancelled,
			explanation: "RemoveContainer obeys its context before it has changed anything",
		},
		{
			name: "remover/service", rule: "D17", state: used, needs: removes, f: serviceRemoves,
			explanation: "with RemoveContainers an image goes with the containers that use it, and the containers of no other image",
		},
	}
}

// removeContainer removes a container in an update of its own.
func (p *probe) removeContainer(ctx context.Context, c jettison.Container) error {
	return p.backend.Update(ctx, func(stores jettison.Stores) error {
		remover, err := able(stores.Containers.Remover)
		if err != nil {
			return err
		}
		return remover.RemoveContainer(ctx, c)
	})
}

func removeContainers(ctx context.Context, p *probe) error {
	left := slices.Clone(p.state.Containers)
	for len(left) > 0 {
		if err := p.removeContainer(ctx, left[0]); err != nil {
			return fmt.Errorf("remove %s: %w", left[0], err)
		}
		left = left[1:]
		if err := p.onlyContainers(ctx, left); err != nil {
			return err
		}
	}
	return nil
}

// onlyContainers makes sure that these containers and no others use the images.
func (p *probe) onlyContainers(ctx context.Context, left []jettison.Container) error {
	lines, err := p.dump(ctx)
	var got, want []string
	for _, line := range lines {
		if strings.HasPrefix(line, "container ") {
			got = append(got, line)
		}
	}
	for _, c := range left {
		want = append(want, containerText(c))
	}
	slices.Sort(want)
	return firstError(err, sameLines("containers that are left", got, want))
}

func removeTwice(ctx context.Context, p *probe) error {
	c := p.state.Containers[0]
	if err := p.removeContainer(ctx, c); err != nil {
		return err
	}
	return classed("second removal", p.removeContainer(ctx, c), "NotFound")
}

func removeBeginning(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		for _, id := range []string{"c", "web"} {
			if err := classed("removal of "+id, p.removeContainer(ctx, jettison.Container{ID: id}), "NotFound"); err != nil {
				return err
			}
		}
		return nil
	})
}

func removeInView(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			remover, err := able(stores.Containers.Remover)
			if err != nil {
				return err
			}
			if err := remover.RemoveContainer(ctx, p.state.Containers[0]); err == nil {
				return errors.New("a View has removed a container")
			}
			return nil
		})
	})
}

func removeAndFail(ctx context.Context, p *probe) error {
	failed := errors.New("failed after the removal")
	return p.unchanged(ctx, func() error {
		err := p.backend.Update(ctx, func(stores jettison.Stores) error {
			remover, err := able(stores.Containers.Remover)
			if err != nil {
				return err
			}
			return firstError(remover.RemoveContainer(ctx, p.state.Containers[0]), failed)
		})
		if !errors.Is(err, failed) {
			return fmt.Errorf("got %s, want that of the function", said(err))
		}
		return nil
	})
}

func removeCancelled(ctx context.Context, p *probe) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	return p.unchanged(ctx, func() error {
		failure := p.backend.Update(ctx, func(stores jettison.Stores) error {
			remover, err := able(stores.Containers.Remover)
			if err != nil {
				return err
			}
			return remover.RemoveContainer(cancelled, p.state.Containers[0])
		})
		return cancelledError("RemoveContainer", failure)
	})
}

func serviceRemoves(ctx context.Context, p *probe) error {
	f := newFamily()
	reports, err := p.service().ImagesDelete(ctx, []string{f.tool.ID().String()}, jettison.RemoveOptions{RemoveContainers: true})
	if err != nil {
		return err
	}
	if reports[0].Err != nil {
		return reports[0].Err
	}
	records := append(untagged("tool:2"), deleted(f.tool.ID(), ChainID("os", "tool"))...)
	var gone []string
	for _, c := range reports[0].Containers {
		gone = append(gone, c.ID)
	}
	return firstError(
		same("containers that are removed", gone, []string{"c2"}),
		same("records", reports[0].Records, records),
		p.onlyContainers(ctx, slices.DeleteFunc(slices.Clone(p.state.Containers), func(c jettison.Container) bool { return c.ID == "c2" })),
		p.gone(ctx, f.tool.ID()))
}

// gone makes sure that the image is not there.
func (p *probe) gone(ctx context.Context, id digest.Digest) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return classed("image "+id.String(), err, "NotFound")
	})
}
