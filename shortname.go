package jettison

import (
	"context"
	"strings"

	"github.com/distribution/reference"
)

// name returns the full name that typed stands for, with a tag or a digest: what
// the store makes of it, if it completes names itself and has it (rule R9), else
// the normalized one. The store is looked at as it is, not as it will be: what a
// text means does not change within a call.
func (p *planner) name(ctx context.Context, typed string) (reference.Named, error) {
	ref, err := parseName(typed)
	if err != nil || p.stores.References.Short == nil {
		return ref, err
	}
	short, ok := shortName(typed, ref)
	if !ok {
		return ref, nil
	}
	candidates, err := p.stores.References.Short.Candidates(ctx, short)
	if err != nil {
		return nil, err
	}
	for _, candidate := range candidates {
		_, err := p.stores.References.Get(ctx, candidate)
		if err == nil {
			return candidate, nil
		}
		if !isNotFound(err) {
			return nil, err
		}
	}
	return ref, nil
}

// shortName is the name as typed, with its tag or digest, if it has no domain;
// ref is what rule R1 makes of it.
func shortName(typed string, ref reference.Named) (string, bool) {
	const domain, library = "docker.io/", "library/"
	full, implied := strings.CutPrefix(ref.String(), domain)
	if !implied || strings.HasPrefix(typed, domain) || strings.HasPrefix(typed, "index."+domain) {
		return "", false
	}
	if !strings.HasPrefix(typed, library) {
		full = strings.TrimPrefix(full, library)
	}
	return full, true
}
