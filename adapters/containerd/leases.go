package containerd

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// The labels of a lease of this package.
const (
	labelKind    = "io.jettison.lease.kind"
	labelOwner   = "io.jettison.lease.owner"
	labelImage   = "io.jettison.lease.image"
	labelExpires = "io.jettison.lease.expires"
	ourPrefix    = "jettison-"
)

// leaseStore keeps leases as leases of containerd, and shows those of others.
type leaseStore struct{ *state }

var _ jettison.LeaseStore = leaseStore{}

// Leases returns the leases on the image, and what keeps it as a lease does: pins,
// mounts, and names that are no reference. Of the leases of others those that have
// expired are left out.
func (s leaseStore) Leases(ctx context.Context, id digest.Digest) ([]conflict.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	img := s.images[id]
	if img == nil {
		return nil, nil
	}
	r, err := s.resolveUses(ctx)
	if err != nil {
		return nil, err
	}
	found := append(slices.Clone(r.mounts[id]), r.leases[id]...)
	for _, l := range s.uses.leases {
		if l.isOurs() && l.target() == id {
			found = append(found, l.record())
		}
	}
	if img.pinned() {
		found = append(found, conflict.Lease{ID: pinnedLabel, Kind: conflict.LeasePin, Owner: pinnedLabel})
	}
	for _, name := range img.unparsed {
		found = append(found, conflict.Lease{ID: "name " + name, Kind: conflict.LeaseName, Owner: strconv.Quote(name)})
	}
	return found, nil
}

// Add takes a lease of containerd on the target, and then looks whether the image
// is still there: another program may have deleted it meanwhile.
func (s leaseStore) Add(ctx context.Context, id digest.Digest, l conflict.Lease) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	if _, err := s.loadUses(ctx); err != nil {
		return err
	}
	labels := map[string]string{labelKind: string(l.Kind), labelOwner: l.Owner, labelImage: id.String()}
	if !l.Expires.IsZero() {
		labels[labelExpires] = l.Expires.UTC().Format(time.RFC3339Nano)
		labels[gcExpire] = l.Expires.UTC().Add(time.Second - 1).Truncate(time.Second).Format(time.RFC3339)
	}
	manager := s.backend.services.Leases
	made, err := manager.Create(s.here(ctx), leases.WithID(ourPrefix+l.ID), leases.WithLabels(labels))
	if err != nil {
		return failed("take a lease on "+id.String(), err)
	}
	if err := manager.AddResource(s.here(ctx), made, leases.Resource{ID: id.String(), Type: "content"}); err != nil {
		_ = s.takeBack(ctx, made) // it holds nothing
		return failed("take a lease on "+id.String(), err)
	}
	if err := s.stillThere(ctx, id); err != nil {
		_ = s.takeBack(ctx, made) // it holds nothing that is named
		return err
	}
	s.uses.leases = append(s.uses.leases, lease{Lease: made, content: []digest.Digest{id}})
	return nil
}

// takeBack ends a lease that was made for a call, also when the context of that has
// ended. A daemon that no longer answers is not waited for.
func (s *state) takeBack(ctx context.Context, l leases.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return failed("end lease "+l.ID, s.backend.services.Leases.Delete(s.here(ctx), l))
}

// stillThere makes sure that a record still names the image.
func (s *state) stillThere(ctx context.Context, id digest.Digest) error {
	img, err := s.image(ctx, id)
	if err != nil {
		return err
	}
	for _, name := range img.sorted() {
		now, err := s.backend.services.Images.Get(s.here(ctx), name)
		if err == nil && now.Target.Digest == id {
			return nil
		}
		if err != nil && !isMissing(err) {
			return failed("look at "+name, err)
		}
	}
	return class.Errorf(class.NotFound, "image %s does not exist", id)
}

// Remove ends a lease of this package. What another program keeps the image by is
// left alone, and the error of class Conflict says whose it is.
func (s leaseStore) Remove(ctx context.Context, id digest.Digest, leaseID string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	held, err := s.Leases(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range held {
		if l.ID == leaseID && s.isForeign(l) {
			return class.Errorf(class.Conflict, "containerd: %s %s is another program's, which has to end it", l.Kind, l.Owner)
		}
	}
	return s.endLeases(ctx, func(l lease) bool { return l.target() == id && l.ID == ourPrefix+leaseID })
}

// isForeign reports whether what keeps an image is no lease of this package.
func (s leaseStore) isForeign(l conflict.Lease) bool {
	return !slices.ContainsFunc(s.uses.leases, func(other lease) bool { return other.isOurs() && other.ID == ourPrefix+l.ID })
}

// endLeases ends those leases of this package that are chosen.
func (s *state) endLeases(ctx context.Context, chosen func(lease) bool) error {
	u, err := s.loadUses(ctx)
	if err != nil {
		return err
	}
	for _, l := range slices.Clone(u.leases) {
		if !l.isOurs() || !chosen(l) {
			continue
		}
		err := s.backend.services.Leases.Delete(s.here(ctx), l.Lease)
		if err != nil && !isMissing(err) {
			return failed("end lease "+l.ID, err)
		}
		u.leases = slices.DeleteFunc(u.leases, func(other lease) bool { return other.ID == l.ID })
	}
	return nil
}

// isOurs reports whether this package took the lease.
func isOurs(l leases.Lease) bool {
	return l.Labels[labelImage] != "" && strings.HasPrefix(l.ID, ourPrefix)
}

func (l lease) isOurs() bool { return isOurs(l.Lease) }

// target is the image that a lease of this package is on.
func (l lease) target() digest.Digest { return digest.Digest(l.Labels[labelImage]) }

// record is a lease of this package as it was taken.
func (l lease) record() conflict.Lease {
	expires, _ := time.Parse(time.RFC3339Nano, l.Labels[labelExpires]) // none: never
	return conflict.Lease{
		ID: strings.TrimPrefix(l.ID, ourPrefix), Kind: conflict.LeaseKind(l.Labels[labelKind]), Owner: l.Labels[labelOwner], Expires: expires,
	}
}

// addLeases notes on which images the leases of other programs are: a lease is on
// an image when it holds a record of it, or content of it that is not that of a
// layer.
func (s *state) addLeases(r *resolved) {
	for _, l := range s.uses.leases {
		if l.isOurs() {
			continue
		}
		on := make(map[digest.Digest]bool)
		for _, name := range l.images {
			if img := s.names[name]; img != nil {
				on[img.id()] = true
			}
		}
		for _, dgst := range l.content {
			for _, id := range s.graph.having(dgst) {
				on[id] = on[id] || !s.graph.isLayer(id, dgst)
			}
		}
		for id, held := range on {
			if held {
				r.leases[id] = append(r.leases[id], conflict.Lease{ID: l.ID, Kind: conflict.LeaseForeign, Owner: l.owner()})
			}
		}
	}
}

// isLayer reports whether an image has the content as that of a layer that is not
// unpacked.
func (g *graph) isLayer(id, dgst digest.Digest) bool {
	for _, other := range g.owned[id].content {
		for _, ref := range other.refs {
			if ref.to == dgst && strings.HasPrefix(ref.label, gcRefLayer) {
				return true
			}
		}
	}
	return false
}

// owner says whose a lease is, as far as it tells: its ID and the names of its
// labels but for those of the garbage collector.
func (l lease) owner() string {
	var labels []string
	for label := range l.Labels {
		if !strings.HasPrefix(label, "containerd.io/gc.") {
			labels = append(labels, label)
		}
	}
	if len(labels) == 0 {
		return l.ID
	}
	slices.Sort(labels)
	return l.ID + " (" + strings.Join(labels, ", ") + ")"
}
