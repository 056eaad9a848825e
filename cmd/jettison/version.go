package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion is the JSON of version.
type buildVersion struct {
	Version  string
	Revision string `json:",omitempty"`
	Go       string
	Platform string
}

func newVersion(set *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this command",
		Example: "  jettison version\n  jettison version --format json",
		Args:    noArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			v := readVersion()
			return set.print(cmd.OutOrStdout(), v, v.String())
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// String is the version as text.
func (v buildVersion) String() string {
	return fmt.Sprintf("jettison %s %s %s", v.Version, v.Go, v.Platform)
}

func readVersion() buildVersion {
	v := buildVersion{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}
