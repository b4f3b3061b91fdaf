package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// release is set by the linker in a release. If it is empty, the version comes from the build's own information.
var release = ""

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return "dev"
}

func aboutThis() about {
	return about{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, v1.APIVersion}
}

func (a about) String() string {
	return fmt.Sprintf("%s (%s, %s/%s, manifests %s)", a.Version, a.Go, a.OS, a.Arch, a.APIVersion)
}

func newVersion() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Prints the version of this program and of the manifests that it reads. swarm-operator --version does the same.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out.json() {
				return document(cmd.OutOrStdout(), aboutThis())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), cmd.Root().Name(), "version", aboutThis()) // as --version
			return err
		},
	}
	out.register(cmd, "output format")
	return cmd
}
