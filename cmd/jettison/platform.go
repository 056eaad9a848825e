package main

import (
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
	"github.com/spf13/pflag"
)

// platformFlag reads the flag --platform; nil when it is not given. A flag
// that is given and empty is a mistake, of a script that lost a variable, say.
func platformFlag(set *pflag.FlagSet, texts ...string) (*ocispec.Platform, error) {
	if !set.Changed("platform") {
		return nil, nil
	}
	texts = strings.Split(strings.Join(texts, ","), ",")
	switch {
	case slices.Contains(texts, ""):
		return nil, errors.New("--platform is empty: want os/arch[/variant]")
	case len(texts) > 1:
		return nil, errors.New("multiple platforms are not supported")
	}
	p, err := platforms.Parse(texts[0])
	if err != nil {
		return nil, errors.Wrapf(err, "--platform %q", texts[0])
	}
	return &p, nil
}
