package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
)

func newCompletion() *cobra.Command {
	shells := map[string]func(root *cobra.Command, w io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        (*cobra.Command).GenZshCompletion,
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	}
	names := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that makes a shell complete commands, flags and names",
		Long: `Prints a script for the shell. It completes commands, flags and their words, and the names of objects, hazards and revisions:
those of the manifests and commits of the checkout that you are in, or of --source. Outside a checkout it asks the swarm, for a
second at most.

  bash        source <(swarm-operator completion bash)
              always: swarm-operator completion bash > /etc/bash_completion.d/swarm-operator (needs the package bash-completion)
  zsh         source <(swarm-operator completion zsh)
              always: swarm-operator completion zsh > "${fpath[1]}/_swarm-operator" (needs: autoload -U compinit; compinit)
  fish        swarm-operator completion fish | source
              always: swarm-operator completion fish > ~/.config/fish/completions/swarm-operator.fish
  powershell  swarm-operator completion powershell | Out-String | Invoke-Expression
              always: put that line into your profile`,
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one shell: %s", strings.Join(names, ", "))
			}
			if shells[args[0]] == nil {
				return fmt.Errorf("%q is not one of %s", args[0], strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root(), cmd.OutOrStdout()) },
	}
}

// complete returns what a shell may offer for a word. It never fails and prints nothing. If it finds no answer, it
// offers nothing.
type complete = cobra.CompletionFunc

// patience limits how long a person who has pressed Tab has to wait.
const patience = time.Second

// offer makes a completion from what words returns. words gets the command with the flags that have been typed so
// far.
func offer(words func(ctx context.Context, cmd *cobra.Command, args []string, begun string) []string) complete {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		_ = configure(cmd) // the command itself reports a mistake when it runs
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		found := make(chan []string, 1)
		go func() {
			var all []string
			_ = rescue.Do(func() error { // nobody would see a fault
				all = words(ctx, cmd, args, begun)
				return nil
			})
			found <- all
		}()
		var out []cobra.Completion
		select {
		case all := <-found:
			for _, w := range all {
				if name, _, _ := strings.Cut(w, "\t"); len(name) >= len(begun) && strings.EqualFold(name[:len(begun)], begun) {
					out = append(out, w)
				}
			}
		case <-ctx.Done():
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// vocabulary is where completions come from: the checkout or, if that has nothing, the swarm.
type vocabulary struct {
	source *string
	eng    *engineFlags
}

// objects returns the names of the manifests' objects.
func (k vocabulary) objects(ctx context.Context, cmd *cobra.Command) (out []string) {
	c := openCheckout(ctx, *k.source)
	defer c.close()
	if c != nil && c.isSource() {
		if head, err := c.source.Head(ctx); err == nil {
			set, _ := revisions.NewLoader(nil).Load(head.Tree, c.root)
			for _, e := range set.Entries {
				if e.Key().Kind != v1.KindNodeSet {
					out = append(out, e.Key().String())
				}
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, s := range k.swarm(ctx, cmd) {
		for _, o := range s.Objects {
			out = append(out, o.Object.String())
		}
	}
	return out
}

// isSource reports whether the directory may be read as a source: it is in a checkout, or it gives itself a name. Any
// other directory may be large, for example somebody's home.
func (c *checkout) isSource() bool {
	top, _, _ := locate(c.location)
	return exists(filepath.Join(top, ".git")) || exists(filepath.Join(c.location, manifests.SourceFile))
}

// swarm returns what the swarm tells, or nil if it does not answer.
func (k vocabulary) swarm(ctx context.Context, cmd *cobra.Command) []status.Status {
	if k.eng == nil {
		return nil
	}
	client, err := engine.Open(k.eng.options(cmd, logr.Discard(), nil))
	if err != nil {
		return nil
	}
	defer client.Close()
	all, err := report.StatusOf(ctx, client, "", nil)
	if err != nil {
		return nil
	}
	return all
}

// sources returns the names of sources.
func (k vocabulary) sources(ctx context.Context, cmd *cobra.Command) (out []string) {
	c := openCheckout(ctx, *k.source)
	defer c.close()
	if name := c.name(ctx); name != "" {
		return []string{name + "\tthis checkout"}
	}
	for _, s := range k.swarm(ctx, cmd) {
		out = append(out, s.Source)
	}
	return out
}

// revisions returns commits, branches and tags.
func (k vocabulary) revisions(ctx context.Context, cmd *cobra.Command) (out []string) {
	c := openCheckout(ctx, *k.source)
	defer c.close()
	if c != nil {
		const most = 20
		recent, _ := c.source.Recent(ctx, most)
		for i, commit := range recent {
			subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
			subject = v1.Scrub(screen.OneLine(subject))
			if i == 0 {
				out = append(out, "HEAD\t"+subject)
			}
			out = append(out, commit.Short()+"\t"+subject)
		}
		if out = append(out, c.source.Names()...); len(out) > 0 {
			return out
		}
	}
	for _, s := range k.swarm(ctx, cmd) {
		for _, r := range s.History {
			out = append(out, strings.TrimRight(short(r.Hash)+"\t"+r.Outcome, "\t"))
		}
	}
	return out
}

// target completes what hold and resume act on.
func (k vocabulary) target() complete {
	return offer(func(ctx context.Context, cmd *cobra.Command, args []string, _ string) []string {
		if len(args) > 0 {
			return nil
		}
		return append(k.objects(ctx, cmd), append(k.sources(ctx, cmd), plan.HoldAll+"\teverything")...)
	})
}

// sourceName completes the name of one source.
func (k vocabulary) sourceName() complete {
	return offer(func(ctx context.Context, cmd *cobra.Command, args []string, _ string) []string {
		if len(args) > 0 {
			return nil
		}
		return k.sources(ctx, cmd)
	})
}

// object completes the names of at most `most` objects. 0 means any number.
func (k vocabulary) object(most int) complete {
	return offer(func(ctx context.Context, cmd *cobra.Command, args []string, _ string) []string {
		if most > 0 && len(args) >= most {
			return nil
		}
		return without(k.objects(ctx, cmd), args)
	})
}

// approval completes hazards, each followed by its objects.
func (k vocabulary) approval() complete {
	return offer(func(ctx context.Context, cmd *cobra.Command, args []string, _ string) []string {
		if len(args) == 0 {
			return plan.Hazards()
		}
		return without(append(plan.Hazards(), k.objects(ctx, cmd)...), args)
	})
}

// register completes the flags that take such words, if the command has them.
func (k vocabulary) register(cmd *cobra.Command) {
	for name, words := range map[string]func(context.Context, *cobra.Command) []string{
		"name": k.sources, "revision": k.revisions,
		"consent": func(context.Context, *cobra.Command) []string { return plan.Hazards() },
		"own-service": func(ctx context.Context, cmd *cobra.Command) (out []string) {
			for _, o := range k.objects(ctx, cmd) {
				if name, ok := strings.CutPrefix(o, v1.KindService+"/"); ok {
					out = append(out, name)
				}
			}
			return out
		},
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, offer(func(ctx context.Context, cmd *cobra.Command, _ []string, _ string) []string { return words(ctx, cmd) }))
		}
	}
	for _, name := range []string{"source", "path"} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagDirname(name)
		}
	}
}

// without returns the words that are not given already.
func without(words, given []string) (out []string) {
	has := map[string]bool{}
	for _, g := range given {
		has[strings.ToLower(g)] = true
	}
	for _, w := range words {
		if !has[strings.ToLower(w)] {
			out = append(out, w)
		}
	}
	return out
}
