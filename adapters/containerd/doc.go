// Package containerd deletes the images of containerd.
package containerd
