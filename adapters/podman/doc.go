// Package podman is a [jettison.Backend] over a store of the library
// containers/storage: the images of Podman, Buildah and CRI-O, while they use
// them.
package podman
