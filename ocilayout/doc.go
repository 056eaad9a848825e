// Package ocilayout deletes images from an OCI image layout as it lies on disk,
// made by whatever tool: a [jettison.Backend] over the directory. The form of
// a layout is that of the OCI image specification, image-layout.md.
//
// # Images and names
//
// What index.json lists are the images. The ID of an image is the digest of its
// configuration, as in Docker and Podman, so that it is the same image wherever
// it is loaded; that of an index, and of an artifact which is no image for a
// container, is the digest of its manifest. Two manifests with one configuration
// (compressed in different ways, say) are one image.
//
// A descriptor's name is its annotation io.containerd.image.name, or else
// org.opencontainers.image.ref.name. A name is normalized as everywhere:
// "app:1.0" is docker.io/library/app:1.0. A name that is a tag alone, such as
// "latest", belongs to the layout's own repository, [OwnRepository]:
// it is removed as "localhost/layout:latest". A name that is no reference at all
// is left as it is; it keeps its image, as a lease of the kind [LeaseName] that
// every refusal names. Of several descriptors with one name the first counts,
// and the others wait behind it.
//
// A layout knows of no parents and no times of use. Containers are those that
// [Options] tell of; leases are kept in memory and end with the process.
//
// # What is written, and when
//
// An [Layout.Update] is one atomic replacement of index.json: a temporary file,
// written and synced, is renamed, and the directory synced. Fields, annotations
// and descriptors that are not touched keep their bytes and their order. After
// that the blobs go that nothing in index.json needs any more. A crash between
// leaves blobs without an owner, and no other harm: [Layout.Check] finds and
// [Layout.Repair] removes them.
//
// Only what was needed by an image that goes is ever removed: blobs of which the
// layout does not tell may be an image that another tool is copying just now.
// Where index.json lists something of an unknown sort, or something that cannot
// be read but is not lost, nobody knows which blobs that needs, and none are
// removed. Nor are they where the directory of the blobs is a symbolic link, for
// they may be those of other layouts too. An index.json that is one is replaced by
// a file; what the link led to stays as it was.
//
// # Other programs
//
// A file .jettison-lock is there while an Update runs and keeps a second one of
// this package away. Other tools do not look at it. A change of index.json by
// one of them is noticed right up to the rename, and the Update begins again on
// the new state; within the instant between that look and the rename it would
// be lost, as with any two of those tools.
//
// # Cost
//
// A View reads index.json. Manifests are read when images are asked for, and
// configurations when their records or their layers are, each once as long as
// its file does not change. A deletion has to know what the other images need
// and so looks at every manifest and configuration that it has not seen.
//
// # Damage
//
// A blob that is missing, altered, or not of the size that its descriptor says
// makes the images that need it unreadable, and no others (rule E3): they can
// be untagged, and deleted by their ID: of one whose descriptor has a malformed
// digest, the digest of the descriptor. An index may list manifests that the
// layout does not have; tools that copy one platform leave it so.
package ocilayout
