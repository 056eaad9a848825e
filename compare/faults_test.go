package compare_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/docker/docker/container"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
)

// idsOf are the IDs of images.
func (s *stage) idsOf(names ...string) []digest.Digest {
	var ids []digest.Digest
	for _, name := range names {
		ids = append(ids, s.ids[name])
	}
	return ids
}

// alike adds an image whose ID begins with prefix and returns the ID.
func (s *stage) alike(name, prefix string) string {
	for i := 0; ; i++ {
		s.add(name, compare.Image{DiffIDs: []digest.Digest{digest.FromString(fmt.Sprint(i))}})
		if strings.HasPrefix(s.ids[name].Encoded(), prefix) {
			return s.id(name)
		}
		s.Scene.Images = s.Scene.Images[:len(s.Scene.Images)-1]
	}
}

// full is the error of a disk without room.
type full struct{ error }

func (full) Unavailable() {}

var errFull = full{errors.New("no space left")}

// failing returns both engines, unable to delete the record of an image.
func failing(*stage) (*compare.Docker, *compare.Jettison) {
	docker, ours := compare.NewDocker(), compare.NewJettison()
	docker.Leases = beforeDelete(func() error { return errFull })
	ours.Wrap = func(b jettison.Backend) jettison.Backend {
		return changed{b, func(i jettison.ImageStore) jettison.ImageStore { return readOnly{i} }}
	}
	return docker, ours
}

// beforeDelete is a lease manager that runs a function when Docker deletes the
// record of an image: Docker removes the image's lease first.
type beforeDelete func() error

func (f beforeDelete) Delete(context.Context, leases.Lease, ...leases.DeleteOpt) error { return f() }

func (beforeDelete) Create(context.Context, ...leases.Opt) (leases.Lease, error) {
	return leases.Lease{}, nil
}

func (beforeDelete) List(context.Context, ...string) ([]leases.Lease, error) { return nil, nil }

func (beforeDelete) AddResource(context.Context, leases.Lease, leases.Resource) error { return nil }

func (beforeDelete) DeleteResource(context.Context, leases.Lease, leases.Resource) error { return nil }

func (beforeDelete) ListResources(context.Context, leases.Lease) ([]leases.Resource, error) {
	return nil, nil
}

// changed is a backend with another image store in front.
type changed struct {
	jettison.Backend
	images func(jettison.ImageStore) jettison.ImageStore
}

func (c changed) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return c.Backend.View(ctx, c.replace(fn))
}

func (c changed) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return c.Backend.Update(ctx, c.replace(fn))
}

func (c changed) replace(fn func(jettison.Stores) error) func(jettison.Stores) error {
	return func(stores jettison.Stores) error {
		stores.Images = jettison.Images{ImageStore: c.images(stores.Images)}
		return fn(stores)
	}
}

// readOnly is an image store that deletes nothing.
type readOnly struct{ jettison.ImageStore }

func (readOnly) Delete(context.Context, digest.Digest) (imagestore.Removed, error) {
	return imagestore.Removed{}, errFull
}

// misled is an image store whose images have a parent that is no ID.
type misled struct{ jettison.ImageStore }

func (m misled) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	img, err := m.ImageStore.Get(ctx, id)
	img.Parent = "nonsense"
	return img, err
}

func showD9(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("db:1", "A")
	for _, digit := range []string{"3", "1", "2"} {
		s.container(digit, conflict.Container{Image: s.ids["A"], Running: true})
	}
	ours := compare.NewJettison()
	s.build(ours)
	_, err := ours.Service.ImageDelete(t.Context(), s.id("A"), jettison.RemoveOptions{})
	var refused *conflict.Error
	if !errors.As(err, &refused) {
		t.Fatalf("Jettison: got %v, want a *conflict.Error", err)
	}
	var names []string
	for _, c := range refused.Conflicts {
		names = append(names, c.String())
	}
	equal(t, "Jettison", names, []string{
		"running container " + strings.Repeat("1", 64), "running container " + strings.Repeat("2", 64),
		"running container " + strings.Repeat("3", 64), "active reference app:1", "active reference db:1",
	})
	named := map[string]bool{}
	docker := compare.NewDocker()
	s.build(docker)
	for range 200 {
		docker.Containers.Shuffle(container.NewMemoryStore())
		named[s.call(docker, compare.Call{Ref: s.id("A")})[0]] = true
	}
	if len(named) < 2 {
		t.Errorf("Docker: names the same container in 200 calls: %v", named)
	}
}

func showD11(t *testing.T) {
	s := newStage(t).lost("P").image("A", "P")
	s.Scene.Images[1].Parent = s.ids["P"]
	call := compare.Call{Ref: s.id("A"), Prune: true}
	succeeds := []string{"deleted A", "deleted layer-A", "event delete A name A"}
	s.both(call, []string{"event delete A name A", "NotFound: unrecognized image ID P"}, succeeds)

	s = newStage(t).image("A", "")
	s.Scene.Images[0].Parent = "nonsense"
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.Scene.Images[0].Parent = ""
	ours.Wrap = func(b jettison.Backend) jettison.Backend {
		return changed{b, func(i jettison.ImageStore) jettison.ImageStore { return misled{i} }}
	}
	equal(t, "Jettison", s.on(ours, call), succeeds)
	defer func() {
		if recover() == nil {
			t.Error("Docker: does not panic")
		}
	}()
	s.call(docker, call)
}

func showD14(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("app@D", "A")
	docker, ours := failing(s)
	s.build(docker)
	s.build(ours)
	call := compare.Call{Ref: s.id("A")}
	equal(t, "Docker", s.call(docker, call), []string{
		"event untag A name A", "event untag A name A", "Unavailable: error deleting lease: no space left",
	})
	equal(t, "Docker's references", s.references(docker), nil)
	equal(t, "Docker's images", s.images(docker), []string{"A"})
	equal(t, "Jettison", s.call(ours, call), []string{"Unavailable: delete A: no space left"})
	equal(t, "Jettison's references", s.references(ours), []string{"app:1", "app@D"})
	equal(t, "Jettison's images", s.images(ours), []string{"A"})
}

func showD15(t *testing.T) {
	s := newStage(t).image("A", "").reference("app:1", "A").reference("app@D", "A")
	showOvertaken(t, s)
	showCreation(t, s)
}

// showOvertaken removes a digest reference while the image is being deleted.
func showOvertaken(t *testing.T, s *stage) {
	docker := compare.NewDocker()
	s.build(docker)
	var other []string
	docker.Containers.Asked = func() {
		docker.Containers.Asked = nil
		other = s.call(docker, compare.Call{Ref: "app@D"})
	}
	one := s.call(docker, compare.Call{Ref: s.id("A")})
	equal(t, "Docker, the other", other, []string{"untagged app@D", "event untag A name A"})
	equal(t, "Docker, the one", one, []string{"event untag A name A", "NotFound: reference does not exist"})
	equal(t, "Docker's references", s.references(docker), nil)
	equal(t, "Docker's images", s.images(docker), []string{"A"})

	ours := compare.NewJettison()
	s.build(ours)
	records, failed := deleteAtOnce(t, ours.Service, s.id("A"), "app:1", spell("app@D"))
	slices.Sort(records)
	equal(t, "Jettison's records", names(s, records), []string{"Deleted: A", "Deleted: layer-A", "Untagged: app:1", "Untagged: app@D"})
	for _, err := range failed {
		if !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("Jettison: got %v, want a NotFound error", err)
		}
	}
}

// deleteAtOnce deletes all at once and returns all records and all errors.
func deleteAtOnce(t *testing.T, service *jettison.Service, refs ...string) (records []string, failed []error) {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, ref := range refs {
		group.Go(func() {
			done, err := service.ImageDelete(t.Context(), ref, jettison.RemoveOptions{})
			mu.Lock()
			defer mu.Unlock()
			for _, r := range done {
				records = append(records, r.String())
			}
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	group.Wait()
	return records, failed
}

func names(s *stage, lines []string) []string {
	var short []string
	for _, line := range lines {
		short = append(short, s.shortNames().Replace(line))
	}
	slices.Sort(short)
	return short
}

// showCreation creates a container while its image is being deleted.
func showCreation(t *testing.T, s *stage) {
	docker := compare.NewDocker()
	created := conflict.Container{ID: strings.Repeat("1", 64), Image: s.ids["A"]}
	docker.Leases = beforeDelete(func() error { docker.Containers.Add(created); return nil })
	equal(t, "Docker", s.on(docker, compare.Call{Ref: "app:1"})[:3], []string{"untagged app:1", "untagged app@D", "deleted A"})
	equal(t, "Docker's images, with a container of A", s.images(docker), nil)

	ours := compare.NewJettison()
	s.build(ours)
	lease, err := ours.Service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "web"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Jettison", s.call(ours, compare.Call{Ref: s.id("A"), Force: true}), []string{
		"Conflict: conflict: unable to delete A (cannot be forced) - image is being used by create web",
	})
	err = ours.Store.Edit(t.Context(), func(tx *kvstore.Tx) error {
		_, err := tx.Containers.Add(t.Context(), created)
		return err
	})
	if err != nil {
		t.Errorf("Jettison: create the container: %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
