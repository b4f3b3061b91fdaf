package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/export"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/manifests"
)

type exportFlags struct {
	eng     engineFlags
	to      string
	force   bool
	secrets bool
}

func newExport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export [KIND/NAME...]",
		Short: "Write what runs as manifests",
		Long: `Export reads the swarm and writes it as manifests: all of it, or the objects that you name. It writes nothing to the swarm. A diff
against the manifests finds nothing. They go to the standard output as one stream of YAML or, with --to, into a directory, one file for
each object.

A manifest states what differs from the defaults. Some things it does not state:

  content of secrets     the swarm does not give it back: a Secret is external, so it must exist
  what looks like one    !left-out stands in its place, and validate refuses that. With --with-secrets it is written, and with --show NAME
                         the value of that name, if only the name looks like one
  digests of images      if a client added them to a tag, with the platforms that came with them
  what the swarm chose   subnets, ports, versions of configs, ids
  labels of nodes        each Node states its own. Without names, export writes a NodeSet for labels that several nodes have
  what is not yours      docker's own networks, the operator's configs and labels, old versions

If a manifest has no field for something, a note on the standard error names the object and what was left out. An object that no
manifest can hold is left out, with a note, and all others are exported. Notes do not change the exit code: export exits 0 if it wrote
the manifests, and 2 otherwise. In a directory, it replaces no file that differs unless you give --force, and it removes none.`,
		RunE: f.run,
	}
	f.eng.register(cmd)
	cmd.Flags().Var(place{&f.to, "DIR"}, "to", "directory for the manifests; it is made if it does not exist (default: the standard output)")
	cmd.Flags().BoolVar(&f.force, "force", false, "with --to: replace files that differ")
	cmd.Flags().BoolVar(&f.secrets, "with-secrets", false, "write free text and configs although they look like secrets; the files are then as secret as those")
	cmd.ValidArgsFunction = offer(f.complete)
	return cmd
}

// complete returns the names of what runs.
func (f *exportFlags) complete(ctx context.Context, cmd *cobra.Command, args []string, _ string) []string {
	client, err := engine.Open(f.eng.options(cmd, logr.Discard(), nil))
	if err != nil {
		return nil
	}
	defer client.Close()
	made, _, err := f.read(ctx, client, nil)
	if err != nil {
		return nil
	}
	return without(namesOf(made.Known), args)
}

func namesOf(keys []v1.Key) (out []string) {
	for _, k := range keys {
		out = append(out, k.String())
	}
	return out
}

func (f *exportFlags) run(cmd *cobra.Command, args []string) error {
	only, err := parseObjects(args)
	switch {
	case err != nil:
		return err
	case f.to == "" && cmd.Flags().Changed("to"):
		return errors.New("--to: it names no directory; name one, or leave --to out to write to the standard output")
	case f.force && f.to == "":
		return errors.New("--force: it replaces files in the directory that --to names; give --to, or leave it out")
	}
	client, _, err := f.eng.openQuiet(cmd)
	if err != nil {
		return err
	}
	defer client.Close()
	made, unlisted, err := f.read(cmd.Context(), client, only)
	if err != nil {
		return err
	}
	for _, k := range made.Missing {
		if err := unlisted[k.Kind]; err != nil {
			return err
		}
	}
	if len(made.Missing) > 0 {
		return missing(made)
	}
	if err := readBack(&made); err != nil {
		return err
	}
	if f.to == "" {
		err = f.stream(cmd, made.Stream())
	} else {
		err = f.write(cmd, made.Files)
	}
	if err != nil {
		return err
	}
	for _, n := range made.Notes {
		note(cmd, "%s", n)
	}
	for _, kind := range slices.Sorted(maps.Keys(unlisted)) {
		note(cmd, "no %s is exported: %v", kind, unlisted[kind])
	}
	if len(made.Sources) > 0 {
		note(cmd, "some of these objects have manifests already, in source %s; to compare them with these ones, give diff its name with --name", strings.Join(made.Sources, ", "))
	}
	return nil
}

// read returns manifests of the swarm that the engine belongs to. It returns why a kind could not be listed that is
// listed only if somebody asks for it. Such a kind does not keep the others from being exported.
func (f *exportFlags) read(ctx context.Context, c *engine.Client, only []v1.Key) (made export.Manifests, unlisted map[string]error, err error) {
	every := all.Kinds()
	observer := observe.New(c, every)
	world, err := observer.Look(ctx, nil, observe.Everything)
	if err != nil {
		return export.Manifests{}, nil, err
	}
	unlisted = observer.Demand(ctx, world, func(string) (states, has bool) { return true, false })
	return export.Of(every, world.Index, export.Options{Only: only, Secrets: f.secrets, Files: f.to != ""}), unlisted, nil
}

// stream writes manifests to the standard output.
func (f *exportFlags) stream(cmd *cobra.Command, data []byte) error {
	// What is written must be what was read: nothing is hidden in it that export has not left out.
	w, _ := behind(cmd.OutOrStdout())
	if _, err := w.Write(data); err != nil {
		return errors.New("the output is closed")
	}
	if most := manifests.DefaultLimits.FileSize; int64(len(data)) > most {
		note(cmd, "this is longer than the %s that one file of manifests may have, so as one file it cannot be read back; give --to DIR, which writes a file for each object", v1.Bytes(most))
	}
	return nil
}

// readBack notes what validate will refuse of manifests, and leaves out those that would refuse all others with them.
func readBack(made *export.Manifests) error {
	for len(made.Files) > 0 {
		problems, err := refusalsOf(made)
		if err != nil {
			return err
		}
		if !made.LeaveOut(problems) {
			made.Refused(problems)
			return nil
		}
	}
	return nil
}

// refusalsOf returns what validate says of manifests. It reads them as validate does, but not from files, because they may
// hold secrets and are not written yet.
func refusalsOf(made *export.Manifests) ([]v1.Problem, error) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, file := range made.Files {
		to, err := w.CreateHeader(&zip.FileHeader{Name: file.Name, Method: zip.Store})
		if err != nil {
			return nil, fmt.Errorf("reading back %s: %w", file.Name, err)
		}
		if _, err := to.Write(file.Data); err != nil {
			return nil, fmt.Errorf("reading back %s: %w", file.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("reading the manifests back: %w", err)
	}
	tree, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		return nil, fmt.Errorf("reading the manifests back: %w", err)
	}
	_, problems := revisions.NewLoader(nil).Load(tree, ".")
	return problems, nil
}

// missing is the error for objects that the swarm does not have.
func missing(made export.Manifests) error {
	var texts, near []string
	for _, k := range made.Missing {
		texts = append(texts, k.String())
		if name := nearObject(k, made.Known); name != "" {
			near = append(near, name)
		}
	}
	return fmt.Errorf("the swarm has no %s that can be exported%s", strings.Join(texts, ", no "), didYouMean(near...))
}

// replaceable returns an error if the file would not be written, or would be written somewhere outside of the directory
// because a link leads there.
func (f *exportFlags) replaceable(path string) error {
	if dir := filepath.Dir(path); filepath.Clean(dir) != filepath.Clean(f.to) {
		switch info, err := os.Lstat(dir); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("looking at the directory %s: %w", dir, files.Cause(err))
		case !info.IsDir():
			return fmt.Errorf("%s is not a directory; move it away, or give another directory", dir)
		}
	}
	return files.Replaceable(path)
}

// write writes files below the directory, all or none of them: it refuses first whatever it would not replace.
func (f *exportFlags) write(cmd *cobra.Command, list []export.File) error {
	var differ []string
	var left []export.File
	for _, file := range list {
		path := filepath.Join(f.to, filepath.FromSlash(file.Name))
		if err := f.replaceable(path); err != nil {
			return fmt.Errorf("--to: writing %s: %w", path, err)
		}
		switch old, err := os.ReadFile(path); {
		case errors.Is(err, fs.ErrNotExist):
			left = append(left, file)
		case err != nil:
			return fmt.Errorf("--to: reading %s: %w", path, files.Cause(err))
		case !bytes.Equal(old, file.Data):
			differ, left = append(differ, path), append(left, file)
		}
	}
	if len(differ) > 0 && !f.force {
		return fmt.Errorf("--to: nothing was written, because these files exist and differ; give another directory, or --force to replace them: %s", strings.Join(differ, ", "))
	}
	for _, file := range left {
		path := filepath.Join(f.to, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("--to: making the directory %s: %w", filepath.Dir(path), files.Cause(err))
		}
		if err := files.Write(path, file.Data); err != nil {
			return fmt.Errorf("--to: writing %s: %w", path, err)
		}
	}
	count := 0
	for _, file := range list {
		if file.Manifest {
			count++
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s to %s\n", v1.Count(count, "manifest"), f.to)
	return nil
}
