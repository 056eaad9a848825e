package backends

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/storetest"
)

// Dump writes the whole state as sorted lines that are equal for equal states,
// whatever the backend: what [storetest.Dump] shows, and every container and
// all content, whether or not an image is left that they belong to.
func (o *Opened) Dump(t testing.TB) []string {
	t.Helper()
	ctx := t.Context()
	var lines []string
	err := o.Backend.View(ctx, func(stores jettison.Stores) (err error) {
		stores.Containers = jettison.Containers{}
		lines, err = storetest.Dump(ctx, stores)
		return err
	})
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	contents, err := o.engine.Contents(ctx)
	if err != nil {
		t.Fatalf("dump content: %v", err)
	}
	for _, c := range contents {
		lines = append(lines, fmt.Sprintf("content %s size=%d holders=%d", c.Digest, c.Size, c.Holders))
	}
	containers, err := o.engine.Containers(ctx)
	if err != nil {
		t.Fatalf("dump containers: %v", err)
	}
	for _, c := range containers {
		mounts := make([]string, 0, len(c.Mounts))
		for _, image := range c.Mounts {
			mounts = append(mounts, image.String())
		}
		slices.Sort(mounts)
		lines = append(lines, fmt.Sprintf("container %s name=%s image=%s mounts=[%s] running=%t",
			c.ID, c.Name, c.Image, strings.Join(mounts, " "), c.Running))
	}
	slices.Sort(lines)
	return lines
}
