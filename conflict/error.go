package conflict

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// An Error says that an image may not be deleted, or a reference not be
// removed, and everything that stands in the way. Its class is Conflict.
//
// Its text is that of the first conflict, in the words that clients of Docker
// know. Formatted with %+v it lists every conflict, each with a hint.
type Error struct {
	// Image is the ID of the image.
	Image digest.Digest
	// Reference is what the caller typed when only the removal of a reference
	// was asked for and refused (rule D1); otherwise empty.
	Reference string
	// Platforms says that only the removal of platforms from an index was asked for
	// and refused (rule M2).
	Platforms bool
	// Conflicts are all the conflicts found, in the order of rule D9, each
	// kind sorted by ID or by name. There is at least one, but for an index
	// without references that is to lose a platform.
	Conflicts []Conflict
}

// A Conflict is one thing that stands in the way. The field that belongs to its
// kind is set.
type Conflict struct {
	// Kind is a single kind.
	Kind Kind
	// Child is the ID of the child, for DependentChild.
	Child digest.Digest
	// Container is the container, for RunningContainer and StoppedContainer.
	Container Container
	// Lease is the lease, for Leased.
	Lease Lease
	// Reference is the reference, for ActiveReference.
	Reference reference.Named
}

// Hard reports whether a conflict among them cannot be overridden by force. The
// refusal to remove a reference (rule D1) never is: force overrides it.
func (e *Error) Hard() bool { return e.Reference == "" && e.kinds()&Hard != 0 }

// InUse reports whether a container or a lease is among the conflicts.
func (e *Error) InUse() bool { return e.kinds()&InUse != 0 }

// Conflict marks the error as of class Conflict.
func (e *Error) Conflict() {}

// Is makes the error match the sentinel of its class.
func (e *Error) Is(target error) bool { return target == class.Conflict }

// Error is the text of the first conflict (rules D1 and D9), or that of rule M2.
func (e *Error) Error() string {
	if e.Platforms {
		return e.platformsText()
	}
	if len(e.Conflicts) == 0 {
		return "conflict: unable to delete " + Short(e.Image.String())
	}
	first := e.Conflicts[0]
	if e.Reference != "" {
		return fmt.Sprintf("conflict: unable to remove repository reference %q (must force) - %s is using its referenced image %s",
			e.Reference, first.user(), Short(e.Image.String()))
	}
	force := "must be forced"
	if first.Kind&Hard != 0 {
		force = "cannot be forced"
	}
	return fmt.Sprintf("conflict: unable to delete %s (%s) - %s", Short(e.Image.String()), force, first.reason())
}

// platformsText is the text of rule M2: a use forbids it, and without one it
// concerns all references.
func (e *Error) platformsText() string {
	force, reason := "must be forced", "the index would be without them"
	switch {
	case e.InUse():
		force, reason = "cannot be forced", "image is being used by "+e.Conflicts[0].String()
	case len(e.Conflicts) > 0:
		names := make([]string, len(e.Conflicts))
		for i, c := range e.Conflicts {
			names[i] = c.name()
		}
		reason = strings.Join(names, ", ") + " would name an index without them"
	}
	return fmt.Sprintf("conflict: unable to remove platforms of %s (%s) - %s", Short(e.Image.String()), force, reason)
}

// Format writes the text of the error; with %+v, a line for each conflict with
// a hint how to resolve it follows.
func (e *Error) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('+'):
		lines := []string{e.Error()}
		for _, c := range e.Conflicts {
			lines = append(lines, "  - "+c.String()+"; "+c.Hint())
		}
		_, _ = io.WriteString(f, strings.Join(lines, "\n"))
	case verb == 'q':
		_, _ = fmt.Fprintf(f, "%q", e.Error())
	default:
		_, _ = io.WriteString(f, e.Error())
	}
}

func (e *Error) kinds() Kind {
	var k Kind
	for _, c := range e.Conflicts {
		k |= c.Kind
	}
	return k
}

// String names the kind and the very thing that stands in the way.
func (c Conflict) String() string {
	if c.byContainer() {
		return c.Container.String()
	}
	return c.Kind.String() + " " + c.name()
}

func (c Conflict) byContainer() bool { return c.Kind == RunningContainer || c.Kind == StoppedContainer }

// Hint says how the user can get rid of the conflict.
func (c Conflict) Hint() string {
	switch c.Kind {
	case DependentChild:
		return "delete the child image first"
	case RunningContainer:
		if !c.Container.Running {
			return "remove the container" + c.Container.by() + " first"
		}
		return "stop and remove the container" + c.Container.by() + " first"
	case Leased:
		return c.Lease.hint()
	case ActiveReference:
		return "remove this reference, or force the deletion"
	case StoppedContainer:
		return "remove the container" + c.Container.by() + ", or force the deletion"
	default:
		return "see rule D9"
	}
}

// hint says how the user can get rid of a lease. What another program keeps as a
// lease does is that program's to end.
func (l Lease) hint() string {
	switch l.Kind {
	case LeasePull, LeaseBuild, LeaseCreate:
		return "wait for the " + string(l.Kind) + " to finish, or release its lease"
	case LeaseForeign:
		return "wait until the program that holds the lease has finished, or end it there"
	case LeaseMount:
		return "unmount the image where it is mounted"
	case LeasePin:
		return "let the program that pinned the image unpin it"
	case LeaseName:
		return "remove this name with the program that made it"
	case LeaseReadOnly:
		return "remove the image where that store can be changed"
	default:
		return "release the " + string(l.Kind)
	}
}

// by says with which program to remove a container that is not the engine's.
func (c Container) by() string {
	if c.Owner == "" {
		return ""
	}
	return " with " + c.Owner
}

// reason is what rule D9 prints of the conflict.
func (c Conflict) reason() string {
	switch c.Kind {
	case DependentChild:
		return "image has dependent child images"
	case RunningContainer, StoppedContainer:
		return "image is being used by " + c.Container.state() + " " + Short(c.Container.ID)
	case Leased:
		return fmt.Sprintf("image is being used by %s %s", c.Lease.Kind, c.Lease.Owner)
	default:
		return "image is referenced in multiple repositories"
	}
}

// user is what rule D1 prints of the conflict.
func (c Conflict) user() string {
	if c.Kind == Leased {
		return string(c.Lease.Kind) + " " + c.Lease.Owner
	}
	return "container " + Short(c.Container.ID)
}

// name is the thing itself, in full.
func (c Conflict) name() string {
	switch c.Kind {
	case DependentChild:
		return c.Child.String()
	case RunningContainer, StoppedContainer:
		return c.Container.label()
	case Leased:
		return c.Lease.ID + " (" + string(c.Lease.Kind) + " by " + c.Lease.Owner + ")"
	default:
		return reference.FamiliarString(c.Reference)
	}
}

// key is what conflicts of one kind are sorted by.
func (c Conflict) key() string {
	switch c.Kind {
	case DependentChild:
		return c.Child.String()
	case RunningContainer, StoppedContainer:
		return c.Container.ID
	case Leased:
		return c.Lease.ID
	default:
		return c.Reference.String()
	}
}

// compare orders conflicts by kind, in the order of rule D9, containers that run
// before those that do not, then by key.
func compare(a, b Conflict) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Container.state(), b.Container.state()), strings.Compare(a.key(), b.key()))
}

// Short cuts an ID to the 12 digits that users see, without its algorithm.
func Short(id string) string {
	if _, hex, ok := strings.Cut(id, ":"); ok {
		id = hex
	}
	return id[:min(len(id), 12)]
}
