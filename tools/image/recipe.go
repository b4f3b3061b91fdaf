package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// readRecipe reads the last stage of the Dockerfile, so that both ways to build give the same image. It fails for an
// instruction that it does not know, because only one of the two images would have its effect.
func readRecipe(path string, args map[string]string) (v1.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return v1.Config{}, err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return v1.Config{}, fmt.Errorf("reading %s: %w", path, err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return v1.Config{}, fmt.Errorf("reading %s: %w", path, err)
	}
	last := stages[len(stages)-1] // a file without a stage does not parse
	if last.BaseName != "scratch" {
		return v1.Config{}, fmt.Errorf("reading %s: its last stage is made from %s, and here only from scratch", path, last.BaseName)
	}
	r := &reader{args: args, env: variables{}, lex: shell.NewLex(parsed.EscapeToken), config: v1.Config{Labels: map[string]string{}}}
	for _, c := range last.Commands {
		if err := r.add(c); err != nil {
			return v1.Config{}, fmt.Errorf("reading %s: line %d: %w", path, c.Location()[0].Start.Line, err)
		}
	}
	return r.config, nil
}

// reader follows the instructions of a stage.
type reader struct {
	args   map[string]string // the values of the Dockerfile's arguments
	env    variables         // the variables declared so far
	lex    *shell.Lex
	config v1.Config
}

func (r *reader) add(c instructions.Command) error {
	if e, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		if err := e.Expand(func(word string) (string, error) {
			out, _, err := r.lex.ProcessWord(word, r.env)
			return out, err
		}); err != nil {
			return err
		}
	}
	switch c := c.(type) {
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			r.env[a.Key] = a.ValueString()
			if given, ok := r.args[a.Key]; ok {
				r.env[a.Key] = given
			}
		}
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			r.config.Labels[l.Key] = l.Value
		}
	case *instructions.CopyCommand: // this program itself puts the files below /rootfs into the layers
		if c.From != "build" || !slices.Equal(c.SourcePaths, []string{"/rootfs/"}) || c.DestPath != "/" || c.Chown != "" || c.Chmod != "" {
			return fmt.Errorf("%s: only COPY --from=build /rootfs/ / can be done here", c)
		}
	case *instructions.UserCommand:
		r.config.User = c.User
	case *instructions.HealthCheckCommand:
		h := c.Health
		if h.StartInterval != 0 {
			return fmt.Errorf("%s: --start-interval is not known here", c)
		}
		r.config.Healthcheck = &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	case *instructions.EntrypointCommand:
		r.config.Entrypoint = c.CmdLine
		return direct(c.ShellDependantCmdLine)
	case *instructions.CmdCommand:
		r.config.Cmd = c.CmdLine
		return direct(c.ShellDependantCmdLine)
	default:
		return fmt.Errorf("%s is not known here", c.Name())
	}
	return nil
}

// direct fails if a command needs a shell, because the image has none.
func direct(c instructions.ShellDependantCmdLine) error {
	if c.PrependShell {
		return fmt.Errorf("%q needs a shell: write it as a list in JSON", c.CmdLine)
	}
	return nil
}

type variables map[string]string

func (v variables) Get(name string) (string, bool) {
	value, ok := v[name]
	return value, ok
}

func (v variables) Keys() []string {
	var out []string
	for name := range v {
		out = append(out, name)
	}
	return out
}
