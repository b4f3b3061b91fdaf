// Command image makes the operator's container image with Go alone; make image runs it. It compiles the operator for
// each platform and does what the last stage of the Dockerfile says. It writes one archive in OCI layout for all
// platforms together. For each platform it also writes the binary, an archive for docker load, and a list of what is in
// the binary. The same commit gives the same bytes on any machine that has the same Go.
//
// It asks no daemon and no registry, and it signs and pushes nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", "../..", "directory of the operator's module")
	flag.StringVar(&o.out, "out", "../../dist", "directory to write to")
	flag.StringVar(&o.name, "name", "swarm-operator", "name of the image, without a tag")
	flag.StringVar(&o.version, "version", "dev", "version of the operator; the image's tag")
	flag.StringVar(&o.ldflags, "ldflags", "", "what the operator is linked with")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "platforms, with commas between them")
	flag.Parse()
	if err := o.run(strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type options struct{ root, out, name, version, ldflags string }

func (o options) run(platforms []string) error {
	src, err := sourceOf(o.root)
	if err != nil {
		return err
	}
	config, err := readRecipe(filepath.Join(o.root, "Dockerfile"), map[string]string{"VERSION": o.version, "REVISION": src.revision})
	if err != nil {
		return err
	}
	base, err := baseLayer()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var images []v1.Image
	for _, text := range platforms {
		p, err := v1.ParsePlatform(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		path := o.path(p, "")
		if err := o.compile(path, p); err != nil {
			return fmt.Errorf("compiling for %s: %w", p, err)
		}
		if err := writeSBOM(path, o.path(p, ".cdx.json"), o.version, src.time); err != nil {
			return fmt.Errorf("listing what is in %s: %w", path, err)
		}
		i, err := newImage(path, base, config, p, src.time)
		if err != nil {
			return fmt.Errorf("making the image for %s: %w", p, err)
		}
		if err := o.writeDocker(o.path(p, ".docker.tar"), i); err != nil {
			return fmt.Errorf("writing the image for %s: %w", p, err)
		}
		images = append(images, i)
	}
	return o.writeIndex(filepath.Join(o.out, "swarm-operator.oci.tar"), images, config.Labels)
}

// path returns the path of an output file for one platform.
func (o options) path(p *v1.Platform, suffix string) string {
	return filepath.Join(o.out, "swarm-operator-"+strings.ReplaceAll(p.String(), "/", "-")+suffix)
}
