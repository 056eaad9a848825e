package jettison

import (
	"context"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Action is what an [Event] tells of. The values are those of Docker's events.
type Action string

// The actions.
const (
	// ActionUntag says that a reference was removed.
	ActionUntag Action = "untag"
	// ActionDelete says that an image was deleted.
	ActionDelete Action = "delete"
	// ActionDestroy says that a container was removed (rule D17).
	ActionDestroy Action = "destroy"
	// ActionPrune says that a prune has ended.
	ActionPrune Action = "prune"
)

// An Event tells that a change has happened and is durable (rule E2). Each
// removed reference and each deleted image has one, in record order, and so has
// each manifest that is taken out of an index; layers have none. Those of
// containers come before those of the image that they used.
type Event struct {
	// Action is what happened.
	Action Action
	// Image is the ID of the image, of the index that lost a manifest, or of the
	// image for whose sake a container was removed; empty for a prune.
	Image digest.Digest
	// Name is the familiar form of the reference for an untag, the ID of the
	// image or the digest of the manifest for a delete, and the ID of the
	// container for a destroy; empty for a prune.
	Name string
	// SpaceReclaimed is the number of bytes that a prune has freed.
	SpaceReclaimed int64
	// Time is when the change was known to be durable.
	Time time.Time
}

// announce sends the events of what was done. The context's end does not stop
// them: the change has happened.
func (s *Service) announce(ctx context.Context, reports []RemoveReport) {
	if s.events == nil {
		return
	}
	ctx, now := context.WithoutCancel(ctx), s.now()
	for _, report := range reports {
		for _, step := range report.done {
			for _, event := range step.events() {
				event.Time = now
				s.events(ctx, event)
			}
		}
	}
}

// events are those of a step that was carried out, without their time.
func (s Step) events() []Event {
	if s.Container != nil {
		return []Event{{Action: ActionDestroy, Image: s.Image, Name: s.Container.ID}}
	}
	if s.Untag != nil {
		return []Event{{Action: ActionUntag, Image: s.Image, Name: reference.FamiliarString(s.Untag)}}
	}
	if s.Without == nil {
		return []Event{{Action: ActionDelete, Image: s.Image, Name: s.Image.String()}}
	}
	events := make([]Event, 0, len(s.Without))
	for _, manifest := range s.Without {
		events = append(events, Event{Action: ActionDelete, Image: s.Image, Name: manifest.String()})
	}
	return events
}
