// Package transfer brings images into a store and out of it.
//
// [Load] reads what an engine or a tool has written: a docker-archive (docker
// save, podman save) or an OCI archive, plain or compressed with gzip or zstd,
// an OCI image layout directory, or a directory of skopeo's dir: transport. As
// with podman load, what has a file oci-layout is an OCI image layout, and else
// what has manifest.json is one of the others. [LoadReader] reads an archive
// from a stream. Both take every image and every name in it.
//
// [Save] and [SaveWriter] write images so that those engines and tools, and
// Load, read them. [Copy] and [CopyToLayout] bring images from one store into
// another, and [Import] makes one of a root file system.
//
// # All or nothing
//
// Everything an archive says is checked: the digest and size of each blob, the
// digest of what each compressed layer unpacks to, and every path and link. What
// the store has already is verified there, and replaced if it is damaged: after
// a load, all content of all its images is right.
//
// Content goes to the store while it is read, but nothing is visible before all
// of it has proved right; then images and names appear in one commit. After an
// error the store is as it was.
//
// # Memory and disk
//
// Layers are streamed and never held in memory, whatever their size. Documents
// are read whole, up to 4 MiB for a manifest or an index and 8 MiB for an image
// configuration, and about 64 MiB of memory for all of an archive. A compressed
// archive, or one from a stream, is first unpacked to a temporary file in the
// ingest directory of the store; [LoadOptions.MaxSize] limits it.
//
// # Errors
//
// What is wrong with an archive is an [*ArchiveError], of class
// InvalidArgument, which names the archive and the entry in it. An archive that
// is not there is of class NotFound; one that cannot be read for a reason that
// may pass, a full disk and an ended context are of class Unavailable.
package transfer
