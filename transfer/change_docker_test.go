package transfer_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
)

// What changes mean is what they mean to Docker. That the file says what Docker
// does is tested beside Docker's code, in the module compare.
func TestChangesAsDocker(t *testing.T) {
	data, err := os.ReadFile("testdata/changes.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Changes []string
		Refused bool
		Config  *dockerspec.DockerOCIImageConfig
		Differs string // why we refuse it all the same
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	store := newStore(t)
	for _, tt := range all {
		got, err := importWith(t, store, tt.Changes...)
		if tt.Refused || tt.Differs != "" {
			if !errors.Is(err, jettison.ErrInvalidArgument) {
				t.Errorf("%q: got %+v, %v, want an error of class InvalidArgument", tt.Changes, got, err)
			}
			continue
		}
		if diff := cmp.Diff(&got, tt.Config, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%q: %v (-got +Docker):\n%s", tt.Changes, err, diff)
		}
	}
}
