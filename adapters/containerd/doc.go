// Package containerd deletes the images of containerd: those of a daemon, over its
// socket, and those of a program that has containerd's metadata store in itself.
//
//	b, client, err := containerd.Dial(ctx, "/run/containerd/containerd.sock", &containerd.Options{Namespace: "moby"})
//	…
//	defer client.Close()
//	records, err := jettison.New(b, nil).ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{})
//
// # What is an image
//
// Containerd knows names, each with a target: the digest of a manifest or of an
// index. An image is a target with all its names, and its ID is that digest, as in
// Docker's containerd image store and in nerdctl. A name is
//
//   - a reference, normalized; one that is written otherwise ("app" for
//     "docker.io/library/app:latest") is the same reference, and goes with it;
//   - no reference, but what keeps the image: "moby-dangling@" and the digest, as
//     Docker names an image that has no other name, and the bare digest of the
//     configuration, as Kubernetes names each image besides its tag and its digest.
//     These go with the image;
//   - or a text that cannot be a reference. Nobody can ask for it by such a name, so
//     the image stays, and the error or the report has the name
//     ([conflict.LeaseName]).
//
// References of containerd tell the digest of their image, so "app@sha256:…" means
// the tags of the repository "app" that name that image, where no name has the
// digest (rule R10).
//
// A layer is a snapshot of an image, in whatever snapshotter; an image that is not
// unpacked has none. What a layer holds besides its snapshot is the blob that it
// was unpacked from, if all its images agree on that.
//
// # What uses an image
//
// A container of the namespace, and of those in [Options.Namespaces], uses the
// image that it was made from. Newer versions of Kubernetes' runtime note the target.
// Else the name that the container has decides, if the container's snapshot lies on
// the layers of what the name means now; if not, the name has moved, and it is counted
// for what the name means and for every image with those layers. It mounts what
// Kubernetes notes, and what snapshots lie on that it holds. It runs while it has a
// process, and when the daemon cannot tell. One that does not run yields to force when
// the image is deleted by its ID; when force takes the last name, it keeps the image,
// too (rule D5), as Docker's service over containerd has it.
//
// Docker keeps a container that does not run as a snapshot with a lease of its
// name: that is a container which does not run. Any other snapshot on an image's
// layers, if something holds it, is a mount ([conflict.LeaseMount]). A lease of
// another program that holds content of the image, and not merely of layers, is a
// lease of an owner that is named ([conflict.LeaseForeign]), until it expires. So
// is the label by which the kubelet pins an image ([conflict.LeasePin]). All of
// these are hard conflicts, and none of them is ever removed here.
//
// Leases taken with [jettison.Service.Lease] are leases of containerd: its garbage
// collector keeps the content of the image, whoever removes its name.
//
// # How an image goes
//
// Every View and Update looks at the namespace once: one list of the names, and,
// when something first asks for them, one each of the containers, the tasks, the
// leases and the content, side by side, and then of the snapshots. After a deletion
// the names of what was deleted are listed once more. Labels of content tell what
// needs what, so a deletion reads no more than the manifest and the configuration
// of the image; where old programs have left content without labels, its documents
// are read. Names that are too many for one message of the daemon are listed in
// pieces.
//
// A name is removed only if it has the target that it had. An image goes with its
// last name, in that one change. When the last name goes and the image stays, the
// record that Docker would make is made first, so that the image is never without
// any. Garbage is collected once, after the last change, and what is still there
// then is not said to have gone (rule D12); nor is an image that has a name again.
//
// A failure leaves every name either as it was or removed, and whoever tries again
// completes the rest. The backend is a [jettison.Partial] one.
//
// # What is not noticed
//
// Containerd has no transaction over several of its parts. A container, a lease or
// another name that another program makes between the look at them and the removal
// of the last name is not seen in time. What it holds stays, and is not said to
// have gone; the image has lost the names that it had, and with another name it is
// reported as kept. A prune of many images looks once, or once for each batch
// ([jettison.PruneOptions]). Daemons before 2.0 remove a name without comparing
// its target, so there it is looked at right before.
package containerd
