package main

import (
	"context"
	"strings"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison"
)

// keptImage is the JSON of an image that stays.
type keptImage struct {
	Image   string
	Names   []string `json:",omitempty"`
	Why     jettison.Why
	Detail  string   `json:",omitempty"`
	Reasons []string `json:",omitempty"`

	reason string // in words
}

func keptJSON(kept jettison.Kept) keptImage {
	k := keptImage{Image: kept.Image.String(), Why: kept.Why, Detail: kept.Detail, reason: kept.String()}
	for _, c := range kept.Conflicts {
		k.Reasons = append(k.Reasons, c.String())
	}
	return k
}

// namedKept are the kept images with the names that the records leave them. It
// is for a report of work that is done, so the end of ctx does not matter.
func namedKept(ctx context.Context, store *opened, kept []jettison.Kept, records []jettison.DeleteResponse) ([]keptImage, error) {
	ctx = context.WithoutCancel(ctx)
	untagged := make(map[string]bool)
	for _, record := range records {
		untagged[record.Untagged] = true
	}
	named := make([]keptImage, len(kept))
	err := store.View(ctx, func(stores jettison.Stores) error {
		for i, k := range kept {
			named[i] = keptJSON(k)
			refs, err := stores.References.References(ctx, k.Image)
			if err != nil {
				return err
			}
			for _, ref := range refs {
				if name := reference.FamiliarString(ref); !untagged[name] {
					named[i].Names = append(named[i].Names, name)
				}
			}
		}
		return nil
	})
	return named, err
}

// String is the kept image as text: the ID, the names and the reason.
func (k keptImage) String() string {
	return strings.Join(append([]string{k.Image}, k.Names...), " ") + " (" + k.reason + ")"
}
