package jettison

import (
	"context"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
)

// RemoveOptions are the options of a deletion. The first three have the names
// and the JSON of Docker's API; the others are Podman's.
type RemoveOptions struct {
	// Force overrides soft conflicts: references and stopped containers.
	Force bool `json:",omitempty"`
	// PruneChildren deletes the ancestors that nothing needs any more (rule
	// D11). The name is Docker's.
	PruneChildren bool `json:",omitempty"`
	// Platforms are the platforms to delete. Each must match the image (rule
	// R8) or a manifest of the index (rule M2); none means the image as it is.
	Platforms []ocispec.Platform `json:",omitempty"`
	// RemoveContainers removes the containers that use the image, running ones
	// too, if that is all that stands in the way of deleting it; otherwise it
	// changes nothing (rule D17). It is InvalidArgument on a store that cannot
	// remove the containers that it knows of.
	RemoveContainers bool `json:",omitempty"`
	// Ignore makes a reference that means nothing a success without records
	// instead of an error of class NotFound (rule D17).
	Ignore bool `json:",omitempty"`
}

// DeleteResponse is one record of what a deletion did, with the JSON of
// Docker's API. Exactly one field is set.
type DeleteResponse struct {
	// Untagged is the familiar form of a removed reference.
	Untagged string `json:",omitempty"`
	// Deleted is the ID of a deleted image, the digest of a manifest that was
	// taken out of an index, or the chain ID of a layer that went with it.
	Deleted string `json:",omitempty"`
}

// A Plan is what a deletion will do, and what it leaves alone and why. Making
// one changes nothing.
type Plan struct {
	// Removals has one entry for each reference asked for, in that order; in
	// the plan of a prune, one for each image that goes or is reported as kept.
	Removals []Removal

	request request
}

// A Removal is the part of a [Plan] that belongs to one reference, or to one
// image of a prune.
type Removal struct {
	// Reference is the text as typed; empty in a prune.
	Reference string
	// Image is the ID of the image it was resolved to, or empty.
	Image digest.Digest
	// Steps are carried out in this order.
	Steps []Step
	// Kept are the images that were reached and stay, with the reason.
	Kept []Kept
	// Err says why nothing is done: the reference cannot be resolved, or a
	// conflict forbids it. There are no steps then.
	Err error
}

// A Step is one change to the stores.
type Step struct {
	// Image is the ID of the image that is untagged, deleted or replaced, or that
	// loses a user.
	Image digest.Digest
	// Container is the container that is removed; otherwise nil (rule D17).
	Container *Container
	// Untag is the reference that is removed; otherwise nil.
	Untag reference.Named
	// Without are the manifests that are taken out of an index, in its order;
	// otherwise nil (rule M2). A step with none of these deletes the image.
	Without []digest.Digest
	// Becomes is the ID of the index without them.
	Becomes digest.Digest
	// Removed is what goes with a deleted image or with those manifests.
	Removed imagestore.Removed
}

// Records are the records that carrying out the plan returns (rule D10). The
// list is never nil.
func (p *Plan) Records() []DeleteResponse {
	records := []DeleteResponse{}
	for _, r := range p.Removals {
		records = append(records, r.Records()...)
	}
	return records
}

// SpaceReclaimed is the number of bytes of content that go, each piece counted
// once.
func (p *Plan) SpaceReclaimed() int64 {
	var n int64
	for _, r := range p.Removals {
		n += r.SpaceReclaimed()
	}
	return n
}

// Records are the records that carrying out the removal returns. The list is
// never nil.
func (r *Removal) Records() []DeleteResponse {
	records := []DeleteResponse{}
	for _, step := range r.Steps {
		records = step.appendRecords(records)
	}
	return records
}

// SpaceReclaimed is the number of bytes of content that go.
func (r *Removal) SpaceReclaimed() int64 {
	var n int64
	for _, step := range r.Steps {
		n += step.Removed.Size()
	}
	return n
}

// Containers are the containers that are removed, in that order; never nil.
func (r *Removal) Containers() []Container {
	return containersOf(r.Steps)
}

func containersOf(steps []Step) []Container {
	containers := []Container{}
	for _, step := range steps {
		if step.Container != nil {
			containers = append(containers, *step.Container)
		}
	}
	return containers
}

// takesImage reports whether an image goes, or an index is replaced.
func (s Step) takesImage() bool { return s.Container == nil && s.Untag == nil }

// appendRecords adds the records of the step, in the order of rule D10. A
// container has none.
func (s Step) appendRecords(records []DeleteResponse) []DeleteResponse {
	switch {
	case s.Container != nil:
		return records
	case s.Untag != nil:
		return append(records, DeleteResponse{Untagged: reference.FamiliarString(s.Untag)})
	case s.Without == nil:
		records = append(records, DeleteResponse{Deleted: s.Image.String()})
	}
	for _, manifest := range s.Without {
		records = append(records, DeleteResponse{Deleted: manifest.String()})
	}
	for _, layer := range s.Removed.Layers {
		records = append(records, DeleteResponse{Deleted: layer.ChainID.String()})
	}
	return records
}

// request is what a caller asked for; a plan keeps it so that it can be made
// again.
type request struct {
	references []string
	options    RemoveOptions
	prune      *pruning // nil for a deletion
}

// plan plans the request on one state of the stores. Each reference is planned
// against what the ones before it leave (rule D16). The error is that of the
// stores; what stands in the way of one reference is in its Removal.
func (s *Service) plan(ctx context.Context, stores Stores, req request) (*Plan, error) {
	if req.prune != nil {
		return s.planPrune(ctx, stores, req)
	}
	p := s.planner(stores)
	plan := &Plan{request: req}
	named := make(names, len(req.references))
	for _, ref := range req.references {
		removal, err := p.removal(ctx, ref, req.options, named)
		if err != nil {
			return nil, err
		}
		plan.Removals = append(plan.Removals, removal)
	}
	return plan, nil
}

// String is the record as a line of text: "Untagged: app:1.0".
func (r DeleteResponse) String() string {
	if r.Untagged != "" {
		return "Untagged: " + r.Untagged
	}
	return "Deleted: " + r.Deleted
}

// empty reports whether there is nothing to do and nothing to tell.
func (r *Removal) empty() bool { return len(r.Steps) == 0 && len(r.Kept) == 0 }
