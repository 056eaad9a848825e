package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// referrerCases are the promises of ReferrerStore.
func referrerCases() []testCase {
	return []testCase{
		{
			name: "referrers/subject", rule: "S1", state: signed, needs: referrers, f: bySubject,
			explanation: "Referrers returns the images whose manifest says that they are about the image, by its ID or by the digest of its manifest, sorted; Subjects is the other direction",
		},
		{
			name: "referrers/tag", rule: "S5", state: tagged, needs: referrers, f: byTag,
			explanation: "a tag of the referrers tag schema, in any repository, alone or with .sig, .att or .sbom, says that its image is about the one with that digest; each is listed once, and no other tag says so",
		},
		{
			name: "referrers/self", rule: "S1", state: circle, needs: referrers, f: notSelf,
			explanation: "no image is about itself, whatever names it; two may be about each other",
		},
		{
			name: "referrers/missing", rule: "S4", state: orphaned, needs: referrers, f: missingSubjects,
			explanation: "what is about an image that is not there has no subject; an image that is not there has no referrers and is about nothing",
		},
		{
			name: "referrers/index", rule: "S1", state: signedIndex, needs: referrers | platforms, f: byIndex,
			explanation: "an image is about an index by the digest of the index, of an index in it, or of any manifest in them",
		},
		{
			name: "referrers/deleted", rule: "S2", state: tagged, needs: referrers, f: deletedReferrers,
			explanation: "with an image go the links to it and from it, and with a tag what it says, at once within an update",
		},
		{
			name: "referrers/owned", state: signed, needs: referrers, f: ownedReferrers,
			explanation: "the lists of Referrers and Subjects belong to the caller, who may change them without changing the store",
		},
		{
			name: "referrers/context", state: signed, needs: referrers, f: cancelledReferrers,
			explanation: "Referrers and Subjects obey their context",
		},
		{
			name: "referrers/service", rule: "S2", state: signed, needs: referrers, f: serviceReferrers,
			explanation: "with an image goes what is about it, and what is about that",
		},
	}
}

// relation has the IDs of what an image is about.
type relation map[digest.Digest][]digest.Digest

// related makes sure that the store knows of the relation in both directions, and
// of no other among the images of the state and one that is missing.
func (p *probe) related(ctx context.Context, want relation) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error { return p.relatedIn(ctx, stores, want) })
}

func (p *probe) relatedIn(ctx context.Context, stores jettison.Stores, want relation) error {
	known, err := able(stores.Images.Referrers)
	if err != nil {
		return err
	}
	ids := []digest.Digest{missing()}
	for _, img := range p.state.Images {
		ids = append(ids, img.ID())
	}
	back := make(relation)
	for _, id := range ids {
		for _, subject := range want[id] {
			back[subject] = append(back[subject], id)
		}
	}
	for _, id := range ids {
		subjects, err := known.Subjects(ctx, id)
		if err := firstError(err, same("Subjects of "+id.String(), subjects, sorted(want[id]))); err != nil {
			return err
		}
		referrers, err := known.Referrers(ctx, id)
		if err := firstError(err, same("Referrers of "+id.String(), referrers, sorted(back[id]))); err != nil {
			return err
		}
	}
	return nil
}

func sorted(ids []digest.Digest) []digest.Digest {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// bySubject is what the manifests of notes say.
func (n notes) bySubject() relation {
	return relation{
		n.sig.ID():  {n.app.ID()},
		n.sbom.ID(): {n.app.ID()},
		n.att.ID():  {n.sig.ID()},
	}
}

func bySubject(ctx context.Context, p *probe) error { return p.related(ctx, newNotes().bySubject()) }

// byTag is what the tags say too.
func (n notes) byTag() relation {
	all := n.bySubject()
	all[n.plain[0].ID()] = []digest.Digest{n.app.ID()}
	all[n.plain[1].ID()] = []digest.Digest{n.app.ID()}
	all[n.plain[2].ID()] = []digest.Digest{n.sig.ID()}
	return all
}

func byTag(ctx context.Context, p *probe) error { return p.related(ctx, newNotes().byTag()) }

func notSelf(ctx context.Context, p *probe) error {
	n := newNotes()
	all := n.bySubject()
	all[n.app.ID()] = []digest.Digest{n.sig.ID()}
	return p.related(ctx, all)
}

func missingSubjects(ctx context.Context, p *probe) error { return p.related(ctx, nil) }

func byIndex(ctx context.Context, p *probe) error {
	all := make(relation)
	for _, img := range p.state.Images[1:] {
		all[img.ID()] = []digest.Digest{p.state.Images[0].ID()}
	}
	return p.related(ctx, all)
}

func deletedReferrers(ctx context.Context, p *probe) error {
	n := newNotes()
	left := n.byTag()
	delete(left, n.sbom.ID())
	delete(left, n.plain[1].ID())
	delete(left, n.att.ID()) // what it was about
	delete(left, n.plain[2].ID())
	delete(left, n.sig.ID())
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		for _, id := range []digest.Digest{n.sbom.ID(), n.sig.ID()} {
			if _, err := stores.Images.Delete(ctx, id); err != nil {
				return err
			}
		}
		if err := stores.References.Delete(ctx, named(about("quay.io/team/notes", n.app.ID(), "")), n.plain[1].ID()); err != nil {
			return err
		}
		if err := p.relatedIn(ctx, stores, left); err != nil {
			return fmt.Errorf("within the update: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.related(ctx, left); err != nil {
		return err
	}
	_, err = p.remove(ctx, n.app.ID())
	return firstError(err, p.related(ctx, nil))
}

func ownedReferrers(ctx context.Context, p *probe) error {
	n := newNotes()
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		known, err := able(stores.Images.Referrers)
		if err != nil {
			return err
		}
		referrers, err := known.Referrers(ctx, n.app.ID())
		if err != nil {
			return err
		}
		subjects, err := known.Subjects(ctx, n.att.ID())
		if err != nil {
			return err
		}
		clear(referrers)
		clear(subjects)
		return p.relatedIn(ctx, stores, n.bySubject())
	})
}

func cancelledReferrers(ctx context.Context, p *probe) error {
	n, ended := newNotes(), cancelled(ctx)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		known, err := able(stores.Images.Referrers)
		if err != nil {
			return err
		}
		_, referrers := known.Referrers(ended, n.app.ID())
		_, subjects := known.Subjects(ended, n.att.ID())
		return firstError(cancelledError("Referrers", referrers), cancelledError("Subjects", subjects))
	})
}

func serviceReferrers(ctx context.Context, p *probe) error {
	n := newNotes()
	records, err := p.service().ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	want := untagged("app:1")
	for _, id := range append([]digest.Digest{n.app.ID(), ChainID("os", "app")}, n.inTurn()...) {
		want = append(want, jettison.DeleteResponse{Deleted: id.String()})
	}
	return same("records", records, want)
}

// inTurn are the referrers in the order in which they go with app.
func (n notes) inTurn() []digest.Digest {
	if n.sig.ID() < n.sbom.ID() {
		return []digest.Digest{n.sig.ID(), n.att.ID(), n.sbom.ID()}
	}
	return []digest.Digest{n.sbom.ID(), n.sig.ID(), n.att.ID()}
}
