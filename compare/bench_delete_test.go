package compare_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/container"

	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/conflict"
)

// recorded is how many different deletions a benchmark makes in turn.
const recorded = 20

// BenchmarkDelete deletes one image of many by its only tag.
func BenchmarkDelete(b *testing.B) {
	for _, n := range sizes(100, 1000, 10_000, 100_000) {
		b.Run(fmt.Sprintf("images=%d", n), func(b *testing.B) {
			benchDelete(b, taggedImages(n, 1), byTag(recorded))
		})
	}
}

// BenchmarkDeleteReferences deletes an image with many references by its ID, by
// force. There are a hundred other images. Docker begins with fresh files each
// time, for it cannot take a deletion back.
func BenchmarkDeleteReferences(b *testing.B) {
	for _, n := range sizes(1, 10, 200) {
		b.Run(fmt.Sprintf("references=%d", n), func(b *testing.B) {
			scene := taggedImages(101, n)
			benchDelete(b, scene, []deletion{{ref: scene.Images[0].ID.String(), force: true}})
		})
	}
}

// BenchmarkDeleteContainers deletes one image of 101 by its only tag, while
// other images have containers, which neither run nor mount anything.
func BenchmarkDeleteContainers(b *testing.B) {
	for _, n := range sizes(10, 100, 1000, 10_000, 100_000) {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			scene := taggedImages(101, 1)
			for i := range n {
				scene.Containers = append(scene.Containers, conflict.Container{
					ID:    fmt.Sprintf("%064x", i),
					Image: scene.Images[recorded+i%(101-recorded)].ID,
				})
			}
			benchDelete(b, scene, byTag(recorded))
		})
	}
}

func benchDelete(b *testing.B, scene compare.Scene, deletions []deletion) {
	b.Helper()
	var r race
	r.ours, r.bbolt = newSteady(b, scene, deletions).race(b)
	r.docker = deleteByDocker(b, scene, deletions)
	r.report(b, 1)
}

// deleteByDocker makes Docker delete five times, from a store that grows
// smaller by that, or is made anew when there is only one deletion.
func deleteByDocker(b *testing.B, scene compare.Scene, deletions []deletion) (taken []time.Duration) {
	b.Helper()
	var docker *compare.Docker
	for i := range 5 {
		at := i % len(deletions)
		if at == 0 {
			docker = dockerOn(b, scene)
			docker.Containers.Shuffle(container.NewMemoryStore())
		}
		taken = append(taken, timed(b, func() error { return deletions[at].docker(b.Context(), docker) }))
	}
	return taken
}
