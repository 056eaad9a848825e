//go:build interop && linux

package containerd_test

import (
	"testing"

	"github.com/jettison-oci/jettison/storetest"
)

// An image whose documents are not what they should be is unreadable, goes by its ID,
// and stands in no other's way, as the daemon tells of them.
func TestInteropDamagedDocuments(t *testing.T) {
	for name, damage := range damagedDocuments() {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			s.pull(t, storetest.Spec{Name: "web", Layers: []string{"b"}}, "web:1")
			must(t, s.Pull(t.Context(), damage.object, "", "docker.io/library/app:1"))
			damage.do(t, s.daemon.Blob(damage.object.Target.Digest.String()))
			checkUnreadable(t, s.service, damage.object.Target.Digest)
			s.wantNames(t, "web:1")
		})
	}
}
