package containerd_test

import (
	"testing"

	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// The suite for stores, with the abilities that containerd has.
func TestStore(t *testing.T) { storetest.Run(t, fixture.Backend().Config()) }

// The scenarios of the repository.
func TestScripts(t *testing.T) {
	scripttest.Run(t, fixture.Backend(), "../../testdata/script/*.txtar")
}
