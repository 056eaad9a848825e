package main

import (
	"strings"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
	"github.com/spf13/pflag"
)

// platformFlag reads the flag --platform where it takes one; nil when it is not
// given.
func platformFlag(set *pflag.FlagSet, text string) (*ocispec.Platform, error) {
	all, err := platformFlags(set, text)
	switch {
	case err != nil || len(all) == 0:
		return nil, err
	case len(all) > 1:
		return nil, errors.New("multiple platforms are not supported")
	}
	return &all[0], nil
}

// platformFlags reads the flag --platform where it may be repeated; none when it
// is not given. A flag that is given and empty is a mistake, of a script that
// lost a variable, say.
func platformFlags(set *pflag.FlagSet, texts ...string) ([]ocispec.Platform, error) {
	if !set.Changed("platform") {
		return nil, nil
	}
	var all []ocispec.Platform
	for text := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		if text == "" {
			return nil, errors.New("--platform is empty: want os/arch[/variant]")
		}
		p, err := platforms.Parse(text)
		if err != nil {
			return nil, errors.Errorf("--platform %q: want os/arch[/variant], as in linux/arm64", text)
		}
		all = append(all, p)
	}
	return all, nil
}
