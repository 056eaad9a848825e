// Package conflict decides whether an image may be deleted: the mask engine of
// rules D1 and D5 to D9.
//
// What can stand in the way is a bit of [Kind]. A hard conflict can never be
// overridden, a soft one by force. [Check] looks for the kinds in a mask and
// returns all it finds in one [Error]. The package knows no store: it asks
// [Facts].
package conflict

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Kind is a set of kinds of conflict: a bit mask.
type Kind uint8

// The kinds, in the order in which they are looked for and reported (rule D9).
const (
	// DependentChild is an image built from this one. Hard.
	DependentChild Kind = 1 << iota
	// RunningContainer is a container created from the image or mounting it that
	// runs, or that the store has to remove before the image. Hard.
	RunningContainer
	// Leased is a lease on the image: a pull, build or container creation in flight. Hard.
	Leased
	// ActiveReference is a tag or digest reference to the image. Soft.
	ActiveReference
	// StoppedContainer is a container created from the image or mounting it that does not run. Soft.
	StoppedContainer
)

const (
	// Hard is the mask of the conflicts that force does not override.
	Hard = DependentChild | RunningContainer | Leased
	// Soft is the mask of the conflicts that force overrides.
	Soft = ActiveReference | StoppedContainer
	// InUse is the mask of the conflicts that come from a use of the image.
	InUse = RunningContainer | StoppedContainer | Leased
)

// String names the kinds in k, joined by "|".
func (k Kind) String() string {
	names := []string{"dependent child", "running container", "lease", "active reference", "stopped container"}
	var set []string
	for i, name := range names {
		if k&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}

// A Container is the record of a container as far as deletion cares.
type Container struct {
	// ID names the container, usually by 64 hex digits.
	ID string
	// Name is what people call it, or empty.
	Name string
	// Image is the ID of the image it was created from, or empty.
	Image digest.Digest
	// Mounts are the IDs of the images that it mounts.
	Mounts []digest.Digest
	// Running says whether it runs. A paused or restarting container runs; a
	// created or exited one does not.
	Running bool
	// Owner names the program that keeps the container, when that is another than
	// the engine itself: "buildah" in a store that Podman shares with it. Empty
	// for the engine's own.
	Owner string
	// Holds says that the store cannot delete an image while the container is there:
	// force does not override it, whether it runs or not.
	Holds bool
	// Keeps says that the container needs its image also when it does not run, as a
	// store may see it: when force takes the last name from the image, it stays without
	// one (rule D5). Deleting it by its ID can be forced.
	Keeps bool
}

// Kind is what the container is to an image that it uses: [RunningContainer] or
// [StoppedContainer].
func (c Container) Kind() Kind {
	if c.Running || c.Holds {
		return RunningContainer
	}
	return StoppedContainer
}

// String names the container for the user, with its state and with its owner, if
// that is another than the engine.
func (c Container) String() string { return c.state() + " " + c.label() }

func (c Container) state() string {
	if c.Running {
		return RunningContainer.String()
	}
	return StoppedContainer.String()
}

// label is the container by name and short ID, or by its ID.
func (c Container) label() string {
	label := c.ID
	if c.Name != "" {
		label = c.Name + " (" + Short(c.ID) + ")"
	}
	if c.Owner != "" {
		label += " of " + c.Owner
	}
	return label
}

// LeaseKind says what a lease was taken for.
type LeaseKind string

// The kinds of lease (rule L1).
const (
	// LeasePull is a pull or a load in flight.
	LeasePull LeaseKind = "pull"
	// LeaseBuild is a build in flight.
	LeaseBuild LeaseKind = "build"
	// LeaseCreate is a container creation in flight.
	LeaseCreate LeaseKind = "create"
)

// What else a store shows as a lease: something that keeps an image until another
// program ends it. Nobody takes such a lease here, and none is released here.
const (
	// LeaseForeign is a lease of another program, of which no more is known. Its
	// owner is the ID that it has there.
	LeaseForeign LeaseKind = "lease"
	// LeaseMount is a mount of the image that belongs to no container that is known.
	LeaseMount LeaseKind = "mount"
	// LeasePin is a mark by which another program protects the image.
	LeasePin LeaseKind = "pin"
	// LeaseName is a name of the image that is no reference, and so cannot be
	// removed here. Its owner is the name, quoted.
	LeaseName LeaseKind = "name"
	// LeaseReadOnly says that the image lies in a store that cannot be changed, which
	// is the owner.
	LeaseReadOnly LeaseKind = "read-only"
)

// A Lease keeps an image from being deleted while work on it is under way.
type Lease struct {
	// ID names the lease; it is unique in a store.
	ID string
	// Kind is what the lease was taken for.
	Kind LeaseKind
	// Owner says who took it, in words for the user.
	Owner string
	// Expires is when the lease ends by itself; zero means never.
	Expires time.Time
}

// Live reports whether the lease still holds at now (rule L2). It ends at the
// very moment it expires.
func (l Lease) Live(now time.Time) bool {
	return l.Expires.IsZero() || now.Before(l.Expires)
}

// Facts answers what a check asks about an image. Every answer may be empty;
// the order does not matter.
type Facts interface {
	// Children returns the IDs of the images whose parent the image is.
	Children(ctx context.Context, image digest.Digest) ([]digest.Digest, error)
	// Containers returns the containers created from the image or mounting it.
	Containers(ctx context.Context, image digest.Digest) ([]Container, error)
	// Leases returns the leases on the image that live.
	Leases(ctx context.Context, image digest.Digest) ([]Lease, error)
	// References returns the references to the image.
	References(ctx context.Context, image digest.Digest) ([]reference.Named, error)
}

// Check looks for every conflict of the kinds in mask that stands in the way of
// deleting image, and returns them all, in the order of rule D9 and sorted
// within a kind; nil when there is none. The error is that of facts, as it is.
func Check(ctx context.Context, facts Facts, image digest.Digest, mask Kind) (*Error, error) {
	var found []Conflict
	for _, look := range []lookFunc{children, containers, leases, references} {
		more, err := look(ctx, facts, image, mask)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	if len(found) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(found, compare)
	return &Error{Image: image, Conflicts: found}, nil
}

// A lookFunc asks facts for one sort of obstacle and returns those in mask.
type lookFunc func(ctx context.Context, facts Facts, image digest.Digest, mask Kind) ([]Conflict, error)

func children(ctx context.Context, facts Facts, image digest.Digest, mask Kind) ([]Conflict, error) {
	if mask&DependentChild == 0 {
		return nil, nil
	}
	ids, err := facts.Children(ctx, image)
	found := make([]Conflict, 0, len(ids))
	for _, id := range ids {
		found = append(found, Conflict{Kind: DependentChild, Child: id})
	}
	return found, err
}

func containers(ctx context.Context, facts Facts, image digest.Digest, mask Kind) ([]Conflict, error) {
	if mask&(RunningContainer|StoppedContainer) == 0 {
		return nil, nil
	}
	all, err := facts.Containers(ctx, image)
	found := make([]Conflict, 0, len(all))
	for _, c := range all {
		if kind := c.Kind(); mask&kind != 0 {
			found = append(found, Conflict{Kind: kind, Container: c})
		}
	}
	return found, err
}

func leases(ctx context.Context, facts Facts, image digest.Digest, mask Kind) ([]Conflict, error) {
	if mask&Leased == 0 {
		return nil, nil
	}
	all, err := facts.Leases(ctx, image)
	found := make([]Conflict, 0, len(all))
	for _, l := range all {
		found = append(found, Conflict{Kind: Leased, Lease: l})
	}
	return found, err
}

func references(ctx context.Context, facts Facts, image digest.Digest, mask Kind) ([]Conflict, error) {
	if mask&ActiveReference == 0 {
		return nil, nil
	}
	refs, err := facts.References(ctx, image)
	found := make([]Conflict, 0, len(refs))
	for _, ref := range refs {
		found = append(found, Conflict{Kind: ActiveReference, Reference: ref})
	}
	return found, err
}
