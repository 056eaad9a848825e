package compare_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/builder/dockerfile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// changesFile has changes of an import and what Docker makes of them. Package
// transfer holds its own code to it; here it is held to Docker's.
const changesFile = "../transfer/testdata/changes.json"

var update = flag.Bool("update", false, "write what Docker says to "+changesFile)

// Instructions are an entry of the file.
type instructions struct {
	Changes []string
	Refused bool                             `json:",omitempty"`
	Config  *dockerspec.DockerOCIImageConfig `json:",omitempty"`
	Differs string                           `json:",omitempty"` // why package transfer refuses it
}

// docker is what Docker makes of the changes.
func (c instructions) docker(t *testing.T) instructions {
	t.Helper()
	out := instructions{Changes: c.Changes, Differs: c.Differs}
	config, err := dockerfile.BuildFromConfig(t.Context(), &container.Config{}, c.Changes, "linux")
	if err != nil {
		out.Refused = true
		return out
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	out.Config = new(dockerspec.DockerOCIImageConfig)
	if err := json.Unmarshal(data, out.Config); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestChanges checks that the file says what Docker does.
func TestChanges(t *testing.T) {
	data, err := os.ReadFile(changesFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []instructions
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for i, want := range all {
		got := want.docker(t)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" && !*update {
			t.Errorf("%q (-file +Docker):\n%s", want.Changes, diff)
		}
		all[i] = got
	}
	if !*update {
		return
	}
	if data, err = json.MarshalIndent(all, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changesFile, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
