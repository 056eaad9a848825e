package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// shortNameCases are the promises of ShortNamer.
func shortNameCases() []testCase {
	return []testCase{
		{
			name: "short/candidates", rule: "R9", state: referenced, needs: shortNames, f: fullCandidates,
			explanation: "Candidates returns full references: each with a domain and a path, and with the tag or the digest of the name, never both",
		},
		{
			name: "short/order", rule: "R9", state: referenced, needs: shortNames, f: orderedCandidates,
			explanation: "Candidates returns the same references in the same order each time, and they belong to the caller",
		},
		{
			name: "short/context", state: referenced, needs: shortNames, f: cancelledCandidates,
			explanation: "Candidates obeys its context",
		},
		{
			name: "short/service", rule: "R9", needs: shortNames, f: serviceShortName,
			explanation: "a name without a domain means the first of its candidates that is there, and one with a domain means itself",
		},
	}
}

// shortNamesOf are names without a domain.
func shortNamesOf() []string {
	dgst := missing().String()
	return []string{"app:latest", "app:1.0", "none:1.0", "team/app:1.0", "some/where/app:v2", "app@" + dgst, "team/app@" + dgst}
}

// shortNamer runs fn in a view.
func (p *probe) shortNamer(ctx context.Context, fn func(jettison.ShortNamer) error) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		names, err := able(stores.References.Short)
		if err != nil {
			return err
		}
		return fn(names)
	})
}

func fullCandidates(ctx context.Context, p *probe) error {
	return p.shortNamer(ctx, func(names jettison.ShortNamer) error {
		for _, short := range shortNamesOf() {
			candidates, err := names.Candidates(ctx, short)
			if err != nil {
				return fmt.Errorf("candidates of %s: %w", short, err)
			}
			for _, candidate := range candidates {
				if err := isFull(candidate, named(short)); err != nil {
					return fmt.Errorf("candidates of %s: %w", short, err)
				}
			}
		}
		return nil
	})
}

// isFull makes sure that a candidate is a full reference with the tag or the digest
// of the name that it completes.
func isFull(candidate, short reference.Named) error {
	if candidate == nil {
		return errors.New("got nil, want a reference")
	}
	again, err := reference.ParseNormalizedNamed(candidate.String())
	if err != nil {
		return fmt.Errorf("%s is no reference: %w", candidate, err)
	}
	return firstError(
		same("candidate in full", candidate.String(), again.String()),
		same("tag or digest of "+candidate.String(), ending(candidate), ending(short)))
}

// ending is all of a reference but its name.
func ending(ref reference.Named) string {
	text := ""
	if tagged, ok := ref.(reference.Tagged); ok {
		text = ":" + tagged.Tag()
	}
	if digested, ok := ref.(reference.Digested); ok {
		text += "@" + digested.Digest().String()
	}
	return text
}

func orderedCandidates(ctx context.Context, p *probe) error {
	first := make(map[string]string)
	for range 2 {
		err := p.shortNamer(ctx, func(names jettison.ShortNamer) error {
			for _, short := range shortNamesOf() {
				candidates, err := names.Candidates(ctx, short)
				if err != nil {
					return err
				}
				got := fmt.Sprint(full(candidates))
				clear(candidates)
				if before, ok := first[short]; ok {
					err = same("candidates of "+short, got, before)
				}
				first[short] = got
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func cancelledCandidates(ctx context.Context, p *probe) error {
	return p.shortNamer(ctx, func(names jettison.ShortNamer) error {
		_, err := names.Candidates(cancelled(ctx), "app:latest")
		return cancelledError("Candidates", err)
	})
}

// candidatesOf are those of a name, each once: a store may come to one in several
// ways.
func (p *probe) candidatesOf(ctx context.Context, short string) (candidates []reference.Named, err error) {
	err = p.shortNamer(ctx, func(names jettison.ShortNamer) (err error) {
		candidates, err = names.Candidates(ctx, short)
		return err
	})
	seen := make(map[string]bool)
	return slices.DeleteFunc(candidates, func(ref reference.Named) bool {
		defer func() { seen[ref.String()] = true }()
		return seen[ref.String()]
	}), err
}

// serviceShortName gives each of the candidates of a name to an image, the likeliest
// last, and deletes by the name until none is left.
func serviceShortName(ctx context.Context, p *probe) error {
	const short = "short:1"
	candidates, err := p.candidatesOf(ctx, short)
	if err != nil {
		return err
	}
	filled := *p
	filled.state = State{}
	images := make([]Image, len(candidates))
	for i, candidate := range slices.Backward(candidates) {
		images[i] = Spec{Name: fmt.Sprintf("candidate %d", i)}.Image()
		filled.state.Images = append(filled.state.Images, images[i])
		filled.state.References = append(filled.state.References, Reference{Name: candidate.String(), Image: images[i].ID()})
	}
	p = filled.again()
	for i, candidate := range candidates {
		if err := p.means(ctx, candidate.String(), candidate, images[i].ID()); err != nil {
			return err
		}
	}
	for i, candidate := range candidates {
		records := append(untagged(reference.FamiliarString(candidate)), deleted(images[i].ID())...)
		err := firstError(
			p.means(ctx, short, candidate, images[i].ID()),
			p.deletes(ctx, short, jettison.RemoveOptions{}, records...))
		if err != nil {
			return err
		}
	}
	_, err = p.service().Resolve(ctx, short)
	return classed("a name of which no candidate is there", err, "NotFound")
}

// means makes sure what a text means.
func (p *probe) means(ctx context.Context, typed string, ref reference.Named, id digest.Digest) error {
	found, err := p.service().Resolve(ctx, typed)
	return firstError(err, same("reference that "+typed+" means", found.Reference, ref), same("image that "+typed+" means", found.Image.ID, id))
}
