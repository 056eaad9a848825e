// Package jettison deletes container images: `docker rmi` as a library, over
// stores that you plug in.
//
// # Model
//
// An image is a record named by its ID, a digest. References are names with a
// tag or a digest that point at images. Images are linked to parents, and share
// layers, which are counted. What keeps an image busy is a use: a running or
// stopped container created from it or mounting it, or a lease on it, which
// stands for a pull, a build or a container creation in flight.
//
// What deletion means is fixed by numbered rules, which comments here cite as
// (rule D5) and which docs/semantics.md explains with an example each. In short:
// a reference that is removed takes the image with it if it was the last one
// and nothing uses the image; an ID removes the image with all its references
// if nothing stands in the way; hard conflicts (children, running containers,
// leases) always stand, soft ones (further references, stopped containers)
// yield to force.
//
// # How a deletion runs
//
// A [Service] resolves the text, plans, and applies the plan. Planning only
// reads: it sees the store as the steps planned so far will leave it. Applying
// only writes. Both happen in one transaction of the [Backend], and events
// follow once it is durable. [Service.PlanDelete] stops after the plan; its
// report is therefore what a run would do, and [Service.Apply] carries out that
// very plan or refuses.
//
// # Errors
//
// Every error is of one of five classes: test with [errors.Is] and
// [ErrInvalidArgument], [ErrNotFound], [ErrConflict], [ErrUnavailable] or
// [ErrInternal]. The marker methods that containerd and moby look for are there
// too, so an engine's router maps the errors without knowing this package.
// Refusals are [*github.com/jettison-oci/jettison/conflict.Error]: the text is
// what Docker's clients know, the fields list everything that stands in the
// way, and %+v prints it with hints.
//
// # Concurrency and cancellation
//
// A Service is safe for concurrent use. Of two deletions of one thing exactly
// one reports it; the other gets NotFound. A context cancelled before the
// commit leaves the store as it was; during the commit it no longer matters.
//
// # Stores
//
// Package diskstore keeps images in a directory and is what most programs
// want; kvstore over memkv is the same in memory, for tests. To delete from a
// store of your own, implement [ImageStore] and [ReferenceStore], and
// [ContainerLister] if something uses images. Join them with [Separate], or
// implement [Backend] when they share a transaction. What a store can do beyond
// these contracts is named beside it, in the fields of [Images], [References] and
// [Containers]. Package storetest checks the result against everything that is
// promised here.
package jettison
