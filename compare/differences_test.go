package compare_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/conflict"
)

// shown are the tests that show both columns of a row of the table in
// docs/semantics.md.
var shown = map[string]func(*testing.T){
	"docker-R1":           showR1,
	"docker-R3-short":     showR3Short,
	"docker-R3-ambiguous": showR3Ambiguous,
	"docker-R4":           showR4,
	"docker-R5":           showR5,
	"docker-R6":           showR6,
	"docker-R8":           showR8,
	"docker-D3":           showD3,
	"docker-D9":           showD9,
	"docker-D11":          showD11,
	"docker-D13":          showD13,
	"docker-D14":          showD14,
	"docker-D15":          showD15,
	"docker-E2":           showE2,
	"docker-D10":          showD10,
	"docker-P3":           showP3,
	"docker-P4":           showP4,
	"docker-P4-keys":      showP4Keys,
	"docker-P4-until":     showP4Until,
	"docker-P4-values":    showP4Values,
	"docker-P5":           showP5,
	"docker-P5-label":     showP5Label,
	"docker-P6":           showP6,
	"docker-P7":           showP7,
	"docker-P8":           showP8,
	"docker-P9":           showP9,
}

func TestDifferences(t *testing.T) {
	for _, id := range slices.Sorted(maps.Keys(shown)) {
		t.Run(id, shown[id])
	}
}

var row = regexp.MustCompile(`(?m)^\| (docker-[A-Z]\S*) \|`)

// TestDifferencesAreListed checks that each row of the table is shown, and that
// only what has a row may differ.
func TestDifferencesAreListed(t *testing.T) {
	text, err := os.ReadFile("../docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		id := match[1]
		listed[id] = true
		if shown[id] == nil {
			t.Errorf("no test shows the row %s", id)
		}
	}
	for id := range shown {
		if !listed[id] {
			t.Errorf("docs/semantics.md has no row %s", id)
		}
	}
	for _, d := range append(compare.Differences(), compare.PruneDifferences()...) {
		if shown[d.ID] == nil {
			t.Errorf("the random comparison accepts %s, which no test shows", d.ID)
		}
	}
}

// both checks what each side answers to a call on the stage.
func (s *stage) both(call compare.Call, docker, ours []string) {
	s.t.Helper()
	equal(s.t, "Docker: "+call.Ref, s.on(compare.NewDocker(), call), docker)
	equal(s.t, "Jettison: "+call.Ref, s.on(compare.NewJettison(), call), ours)
}

func showR1(t *testing.T) {
	s := newStage(t).image("A", "")
	reason := "invalid reference format: repository name (library/App) must be lowercase"
	s.both(compare.Call{Ref: "App"},
		[]string{"InvalidArgument: " + reason},
		[]string{`InvalidArgument: "App" is not an image reference: ` + reason})
	s.both(compare.Call{Ref: " "},
		[]string{"InvalidArgument: invalid reference format"},
		[]string{"InvalidArgument: image reference is empty"})
}

func showR3Short(t *testing.T) {
	s := newStage(t).image("A", "")
	prefix := s.ids["A"].Encoded()[:3]
	s.both(compare.Call{Ref: prefix},
		[]string{"deleted A", "deleted layer-A", "event delete A name A"},
		[]string{"NotFound: No such image: " + prefix + ":latest"})
}

func showR3Ambiguous(t *testing.T) {
	s := newStage(t).image("A", "")
	prefix := s.ids["A"].Encoded()[:4]
	ids := []string{s.id("A"), s.alike("B", prefix)}
	slices.Sort(ids)
	candidates := s.shortNames().Replace(strings.Join(ids, ", "))
	s.both(compare.Call{Ref: prefix},
		[]string{"NotFound: No such image: " + prefix + ":latest"},
		[]string{`InvalidArgument: image ID prefix "` + prefix + `" is ambiguous, it fits: ` + candidates})
}

func showR4(t *testing.T) {
	// "sha" begins "sha256:...": Docker takes the repository for an ID.
	s := newStage(t).image("A", "").reference("app:1", "A").reference("sha:latest", "A")
	s.both(compare.Call{Ref: "sha"},
		[]string{"Conflict: conflict: unable to delete A (must be forced) - image is referenced in multiple repositories"},
		[]string{"untagged sha:latest", "event untag A name sha:latest"})
	s.both(compare.Call{Ref: "sha", Force: true},
		[]string{
			"untagged app:1", "untagged sha:latest", "deleted A", "deleted layer-A",
			"event untag A name A", "event untag A name A", "event delete A name A",
		},
		[]string{"untagged sha:latest", "event untag A name sha:latest"})
}

func showR5(t *testing.T) {
	s := newStage(t).lost("A").reference("app:1", "A")
	s.both(compare.Call{Ref: "app:1", Force: true},
		[]string{"NotFound: No such image: app:1"},
		[]string{"untagged app:1", "event untag A name app:1"})
	showR5Unreadable(t)
}

// showR5Unreadable damages the record of an image that is there.
func showR5Unreadable(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A")
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	if err := docker.Damage(s.ids["A"]); err != nil {
		t.Fatal(err)
	}
	if err := ours.Put(t.Context(), "image/"+s.id("A"), []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	byID := compare.Call{Ref: s.id("A"), Force: true}
	equal(t, "Docker", s.call(docker, byID), []string{"NotFound: No such image: A"})
	equal(t, "Jettison", s.call(ours, byID), []string{
		"untagged app:1", "deleted A", "event untag A name app:1", "event delete A name A",
	})
}

func showR6(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("app@D", "A")
	s.both(compare.Call{Ref: "app:2@D"},
		[]string{"untagged app:2@D", "event untag A name A"},
		[]string{"untagged app@D", "event untag A name app@D"})
	s.both(compare.Call{Ref: "none:2@D"},
		[]string{"NotFound: No such image: none:2@D"},
		[]string{"NotFound: No such image: none@D"})
}

func showR8(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A")
	s.both(compare.Call{Ref: "app:1", Platforms: []ocispec.Platform{{Architecture: "amd64"}}}, // for linux
		[]string{"untagged app:1", "deleted A", "deleted layer-A", "event untag A name A", "event delete A name A"},
		[]string{"NotFound: image with reference app:1 was found but its platform (linux/amd64) does not match the specified platform (unknown)"})
}

func showD3(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("app@D", "A").reference("db:1", "A")
	s.both(compare.Call{Ref: "app:1"},
		[]string{"untagged app:1", "untagged app@D", "event untag A name A"},
		[]string{"untagged app:1", "untagged app@D", "event untag A name app:1", "event untag A name app@D"})
}

func showE2(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("app:2", "A")
	s.both(compare.Call{Ref: "app:1"},
		[]string{"untagged app:1", "event untag A name A"},
		[]string{"untagged app:1", "event untag A name app:1"})
	// The deletion fails after the untagging: Docker has told of it already.
	docker, ours := failing(s)
	s.build(docker)
	s.build(ours)
	call := compare.Call{Ref: s.id("A"), Force: true}
	equal(t, "Docker", s.call(docker, call), []string{
		"event untag A name A", "event untag A name A", "Unavailable: error deleting lease: no space left",
	})
	equal(t, "Jettison", s.call(ours, call), []string{"Unavailable: delete A: no space left"})
}

func showD13(t *testing.T) {
	s := newStage(t).image("A", "").image("B", "A").image("C", "")
	s.container("1", conflict.Container{Image: s.ids["C"], Mounts: s.idsOf("A"), Running: true})
	deleted := []string{"deleted B", "deleted layer-B"}
	s.both(compare.Call{Ref: s.id("B"), Prune: true},
		append(slices.Clone(deleted), "deleted A", "deleted layer-A", "event delete B name B", "event delete A name A"),
		append(slices.Clone(deleted), "event delete B name B"))
	s = newStage(t).image("A", "").image("C", "")
	s.container("1", conflict.Container{Image: s.ids["C"], Mounts: s.idsOf("A"), Running: true})
	s.both(compare.Call{Ref: s.id("A")},
		[]string{"deleted A", "deleted layer-A", "event delete A name A"},
		[]string{"Conflict: conflict: unable to delete A (cannot be forced) - image is being used by running container 111111111111"})
}
