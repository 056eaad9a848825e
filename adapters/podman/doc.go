// Package podman deletes images from a store of the library containers/storage: that
// of Podman, Buildah and CRI-O, while they use it. [Open] opens one by its
// directories, [New] takes one that the program has open, and a service over the
// [Store] does the rest:
//
//	store, err := podman.Open(ctx, nil) // the store of whoever runs the process
//	…
//	defer store.Close()
//	service := jettison.New(store, nil)
//	records, err := service.ImageDelete(ctx, "app", jettison.RemoveOptions{PruneChildren: true})
//
// # Building
//
// Without cgo the package builds as it is. With cgo it needs the build tags
// exclude_graphdriver_btrfs, exclude_graphdriver_devicemapper and
// containers_image_openpgp, or the library wants the headers of btrfs. Nothing in
// here needs C.
//
// # Images and names
//
// The ID of an image is the one that Podman shows. Its names are references, in full;
// which of them a name without a domain means, [ShortNames] say (rule R9), and a name
// with the digest of its manifest means its tags in that repository (rule R10). A name
// that is no reference can be removed by nobody here: it keeps its image, as a lease
// of the kind [conflict.LeaseName] that every refusal names. An image whose ID is no
// digest is left alone, with a warning.
//
// A list of images for several platforms, as `podman manifest` makes it, is an image
// of its own without layers, and what it lists are images of their own: the list is
// removed as itself, and they stay. So no image has manifests here, and single
// platforms cannot be taken out of one.
//
// The parent of an image is the one that Podman tells: it is not recorded, but follows
// from layers and histories. Only documents of images with the same topmost layer,
// or the one below or above, are read for that, each once. Podman counts a child of
// two equal parents with both; here the first in the order of the store has it.
//
// # Layers and space
//
// The library gives layers IDs of its own; records have chain IDs. Where several
// layers have one chain ID, or the digest of one is not known, a layer is named by its
// own ID instead, so that each is counted and freed by itself. Copies of a topmost
// layer for other user IDs go with their image, and are content of it.
//
// SpaceReclaimed is the bytes of the archives that the layers were made of, and of
// the documents of the image. What a file system gains by that differs: with the
// driver vfs it is more, for there every layer has all files of those below.
//
// # Uses
//
// Containers are uses, whoever keeps them (see [jettison.Container.Owner]): those of
// Podman, of Buildah, also while a build is under way or has failed, of CRI-O and of
// others. One runs when the process lives that its runtime has noted in the run root;
// with a wrong run root all seem to be stopped. The library deletes no image that
// still has a container, so force alone does not override a stopped one.
//
// A container of Podman is removed by Podman ([Options.RemoveContainer]), which has
// records of it that are not in the store; any other is unmounted and removed from
// the store, unless it runs.
//
// The store counts mounts of layers and does not know whose they are. An image whose
// topmost layer is mounted, by `podman image mount` or for a container that mounts the
// image, is in use by a lease of the kind [conflict.LeaseMount]; removing containers
// does not end it. What a container would mount that does not run, the store does not
// know. An image of an additional store, which cannot be changed, has a lease of the
// kind [conflict.LeaseReadOnly]. Leases that are taken are kept in memory: they end
// with the process, and no other process sees them.
//
// A transient store, whose containers end with the system, is worked on as what it is if
// storage.conf says so, as Podman does unless told by its own option.
//
// # What happens at once, and what does not
//
// A View and an Update look at all records at one moment, as the library shows them.
// An Update changes them one call of the library after another; each of those is
// atomic for whoever uses the library, and none can be undone: a [jettison.Partial]
// backend. An image goes with all its names in one call, which checks once more that
// no container uses it and takes the layers that nothing needs at that moment. Just
// before, it is made sure that its names are still those that were planned for; a name
// that Podman gives it within the instant between is lost, as it is with Podman.
//
// Programs of this package exclude each other while they update, by a lock in the run
// root, and take turns. The locks of the library wait without end and obey no context,
// so each is tried first, for [Options.LockTimeout] at most and as long as the context
// allows; who holds it is in the [LockedError]. Once a call of the library has begun it
// is waited for.
//
// # The driver overlay
//
// The library mounts the directory of the driver on itself when it opens a store, which
// is what keeps it from being removed or moved meanwhile. [Store.Close] ends that, as
// every command of Podman does, unless something is mounted in it: a container, an image.
//
// # Users without root
//
// Files in the store of such a user belong to other user IDs, which are the user's own
// only in the name space that Podman makes for it. So a program that deletes has to be
// started by `podman unshare` there; outside, records go and the files of layers stay.
//
// # Damage
//
// An image whose manifest or configuration is missing or garbled is deleted like any
// other, with a warning; what can still be read of it counts. Without a configuration
// it has no labels, no parent and no platform, and the time of its record. Records that
// cannot be read are an error of class Internal, and nothing is done.
//
// Layers that a crash has left incomplete are removed by the library when it next reads
// its records. This package leaves that to Podman: it is an [IncompleteError] as long
// as there are any.
package podman
