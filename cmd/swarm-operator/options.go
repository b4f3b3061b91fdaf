package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/bootstrap"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/redact"
)

// sourceFlags say where the manifests come from.
type sourceFlags struct {
	location, path, name string
	worktree             bool
	guardrails           string
	hashKey              string
}

func (f *sourceFlags) register(cmd *cobra.Command, worktree bool) {
	f.location = "."
	cmd.Flags().Var(place{&f.location, "DIR|URL"}, "source", "directory, git checkout or repository URL with the manifests")
	cmd.Flags().StringVar(&f.path, "path", "", "directory below the source where manifests start")
	cmd.Flags().StringVar(&f.name, "name", "", "name of the source, which owns what it makes (default: name in .swarm-operator.yaml, otherwise default)")
	if worktree {
		cmd.Flags().BoolVar(&f.worktree, "worktree", false, "read the files of a checkout as they are, not the commit at HEAD")
	}
}

// guarded adds the flag of a command that decides by manifests.
func (f *sourceFlags) guarded(cmd *cobra.Command) {
	cmd.Flags().Var(place{&f.guardrails, "FILE"}, "guardrails", "file with rules for what the manifests of the source may state")
}

// comparing adds the flag of a command that compares contents with what the swarm has.
func (f *sourceFlags) comparing(cmd *cobra.Command) {
	cmd.Flags().Var(place{&f.hashKey, "FILE"}, "hash-key-file", "file with the key for digests of secrets (default: digests that are slow to make, because anybody may try guesses)")
}

// digests returns what knows secrets again.
func (f *sourceFlags) digests() (*digests.Digests, error) {
	if f.hashKey == "" {
		return digests.New(nil), nil
	}
	key, err := hashKey(f.hashKey)
	if err != nil {
		return nil, fmt.Errorf("--hash-key-file: %s: %w", f.hashKey, err)
	}
	return digests.From(f.hashKey, key), nil
}

// mostHashKey limits the size of the file with the key for digests, in bytes.
const mostHashKey = 4 << 10

// hashKey reads the key for digests. It fails if others than the owner of the file can read it.
func hashKey(path string) ([]byte, error) {
	data, err := files.Read(path, mostHashKey)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, files.Cause(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("its mode is %#o, so others than its owner can use it; run chmod 0400 on it, or give a mounted secret the mode 0400", mode)
	}
	return digests.Key(data)
}

// sourceIsOptional changes the help of --source for a command that works without a source: it shows no default, and
// says what the source is for.
func sourceIsOptional(cmd *cobra.Command, usage string) {
	flag := cmd.Flags().Lookup("source")
	flag.Usage, flag.DefValue = usage, ""
}

func (f *sourceFlags) check() error {
	if f.name == "" {
		return nil
	}
	if wrong := manifests.CheckName(f.name); wrong != "" {
		return fmt.Errorf("--name: %s", wrong)
	}
	return nil
}

// guards reads the guardrails. It returns nil if there are none.
func (f *sourceFlags) guards() (*revisions.Guards, error) {
	data, err := f.rules()
	if err != nil {
		return nil, err
	}
	return f.guardsOf(data)
}

// rules reads the file of the guardrails. It returns nil if there are none.
func (f *sourceFlags) rules() ([]byte, error) {
	if f.guardrails == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.guardrails)
	if err != nil {
		return nil, fmt.Errorf("--guardrails: reading %s: %w", f.guardrails, files.Cause(err))
	}
	return data, nil
}

// guardsOf returns the guardrails that were read. It returns nil if there are none.
func (f *sourceFlags) guardsOf(data []byte) (*revisions.Guards, error) {
	if f.guardrails == "" {
		return nil, nil
	}
	rules := &config.Guardrails{}
	if problems := manifests.Into(f.guardrails, data, rules, rules.Validate); len(problems) > 0 {
		return nil, problemsOf("--guardrails", problems)
	}
	return revisions.NewGuards(rules, time.Now), nil
}

// root returns the directory within the source where manifests start, as io/fs spells it.
func (f *sourceFlags) root() string { return path.Clean(f.path) }

// open opens the source. It prints a note about files that are not read although a person might expect it.
func (f *sourceFlags) open(cmd *cobra.Command) (*git.Source, error) {
	ctx := cmd.Context()
	if err := f.check(); err != nil {
		return nil, err
	}
	src, err := git.Open(ctx, f.location, git.Options{Worktree: f.worktree})
	if err != nil {
		return nil, err
	}
	if n := src.Notice(); n != "" {
		note(cmd, "%s", n)
	}
	if f.worktree {
		return src, nil
	}
	dirty, err := src.Dirty(ctx, f.root(), manifests.Reads)
	if err == nil && len(dirty) > 0 {
		note(cmd, "the commit at HEAD is read; these files differ from it and are not read: %s", strings.Join(dirty, ", "))
	}
	return src, nil
}

// engineFlags select the engine as the docker CLI does.
type engineFlags struct {
	host, context              string
	tls, tlsVerify             bool
	tlsCACert, tlsCert, tlsKey string
	logLevel, logFormat        string
	statedEngines
}

// statedEngines are the values of the flags about engines that only manifests name.
type statedEngines struct {
	// insecure allows those at tcp:// without TLS, and probe allows all.
	insecure, probe bool
	// sockets are patterns of sockets of this host.
	sockets socketPatterns
	// reads is true for a command that only reads. It asks no such engine unless probe is set.
	reads bool
}

func (e *statedEngines) allowed() plan.Engines {
	return plan.Engines{Insecure: e.insecure, Sockets: e.sockets}
}

// registerStated adds the flags about engines that manifests name. reads is true for a command that only reads.
func (f *engineFlags) registerStated(cmd *cobra.Command, reads bool) {
	registerAllowed(cmd, &f.insecure, &f.sockets)
	if f.reads = reads; reads {
		cmd.Flags().BoolVar(&f.probe, "probe-engines", false, "connect to the engines that manifests name, if no other engine is named, to find a manager among them")
	}
}

// registerAllowed adds the flags about which engines that manifests name an operator uses.
func registerAllowed(cmd *cobra.Command, insecure *bool, sockets *socketPatterns) {
	cmd.Flags().Var(sockets, "engine-sockets", "`pattern` of sockets of this host that manifests may name as engines with unix://, such as '/run/engines/*'; may be given again (default: none)")
	cmd.Flags().BoolVar(insecure, "insecure-engines", false, "use engines that manifests name at tcp:// without TLS; whoever is on the way can read join tokens, and with them join the swarm")
}

// socketPatterns is the value of a flag that may be given again.
type socketPatterns []string

// Set adds a pattern. One that matches no path is refused.
func (s *socketPatterns) Set(text string) error {
	if !path.IsAbs(text) || path.Clean(text) != text {
		return fmt.Errorf("%q is not an absolute path in its shortest form, such as /run/engines/*", text)
	}
	*s = append(*s, text)
	return nil
}

// Append is Set.
func (s *socketPatterns) Append(text string) error { return s.Set(text) }

// Replace puts patterns in place of those that there are. If one of them is refused, it changes nothing.
func (s *socketPatterns) Replace(texts []string) error {
	var next socketPatterns
	for _, text := range texts {
		if err := next.Set(text); err != nil {
			return err
		}
	}
	*s = next
	return nil
}

// GetSlice returns the patterns.
func (s *socketPatterns) GetSlice() []string { return slices.Clone(*s) }

func (s *socketPatterns) String() string { return strings.Join(*s, " ") }

// Type is the name of the type in help.
func (s *socketPatterns) Type() string { return "stringArray" }

func (f *engineFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.host, "host", "H", "", "engine to connect to, such as unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host (default: DOCKER_HOST, otherwise the docker context)")
	fl.StringVarP(&f.context, "context", "c", "", "docker context to use (default: DOCKER_CONTEXT, otherwise the current one)")
	fl.BoolVar(&f.tls, "tls", false, "use TLS")
	fl.BoolVar(&f.tlsVerify, "tlsverify", false, "use TLS and verify the engine")
	fl.StringVar(&f.tlsCACert, "tlscacert", "", "trust certificates signed only by this CA")
	fl.StringVar(&f.tlsCert, "tlscert", "", "TLS certificate file")
	fl.StringVar(&f.tlsKey, "tlskey", "", "TLS key file")
	enumFlag(cmd, fl, &f.logLevel, "log-level", "", "least severe messages to log", "info", "debug", "info", "warn", "error")
	enumFlag(cmd, fl, &f.logFormat, "log-format", "", "format of the log", "text", "text", asJSON)
}

func (f *engineFlags) options(cmd *cobra.Command, log logr.Logger, observe func(engine.Call)) engine.Options {
	o := engine.Options{
		Host: f.host, Context: f.context, Logger: log, Observe: observe, UserAgent: "swarm-operator/" + version(),
		Redact: func(text string) string { return safe(knownOf(cmd), text) },
		TLS:    engine.TLS{Enable: f.tls, CACert: f.tlsCACert, Cert: f.tlsCert, Key: f.tlsKey},
	}
	if cmd.Flags().Changed("tlsverify") {
		o.TLS.Verify = &f.tlsVerify
	}
	return o
}

func (f *engineFlags) open(cmd *cobra.Command, log logr.Logger, observe func(engine.Call)) (*engine.Client, error) {
	return engine.Open(f.options(cmd, log, observe))
}

// find opens the engine for a command that reads manifests. If nobody names an engine, but manifests state engines, it
// returns the first of those that is a manager, and does not use the default socket. If none of them is in a swarm,
// init says whether to make one; find reports that through say. A command that only reads, as CI does for anybody's pull
// request, asks no such engine unless somebody tells it to. may is what manifests may name of the operator's
// configuration.
func (f *engineFlags) find(ctx context.Context, source *git.Source, root string, loader *manifests.Loader, may config.Named, o engine.Options, init bool, say func(string)) (*engine.Client, error) {
	stated, err := engine.Stated(o)
	if err != nil {
		return nil, err
	}
	if stated {
		return engine.Open(o)
	}
	m := engines(ctx, source, root, loader)
	switch {
	case m.stated == 0:
		return engine.Open(o)
	case len(m.nodes) == 0:
		return nil, fmt.Errorf("the manifests name engines, and none of them is asked, because of a problem with each: %s", m.problem)
	case f.reads && !f.probe:
		return nil, unprobed(m.nodes)
	}
	found, err := bootstrap.Manager(ctx, bootstrap.Options{Nodes: m.nodes, Cluster: m.cluster, Named: may, Engine: o, Init: init && m.problem == "", Insecure: f.insecure, Sockets: f.sockets})
	if init && errors.Is(err, bootstrap.ErrNone) {
		return nil, fmt.Errorf("%w, and the operator makes no swarm from manifests with a problem: %s", bootstrap.ErrNone, m.problem)
	}
	if err != nil {
		return nil, err
	}
	if found.Made {
		say(fmt.Sprintf("a swarm was made on Node/%s at %s", found.Node, found.Client.Host()))
	}
	return found.Client, nil
}

// unprobed is the error of a command that does not ask the engines that only manifests name.
func unprobed(nodes []*v1.Node) error {
	const most = 3
	var names []string
	for _, n := range bootstrap.Engines(nodes) {
		names = append(names, fmt.Sprintf("Node/%s at %s", n.Metadata.Name, n.Spec.Engine.Host))
	}
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return fmt.Errorf("only the manifests name engines, and nothing is sent to them unless you say so: name a manager with --host, DOCKER_HOST or a docker context, or give --probe-engines to look for one among them (%s)", text)
}

// machines is what manifests say of engines.
type machines struct {
	// nodes state an engine that may be asked.
	nodes []*v1.Node
	// stated is how many nodes state an engine, those among them whose engine may not be asked too. If there is one, the
	// default socket is not used.
	stated  int
	cluster *v1.Cluster
	// problem is the first problem in the manifests, or "". With a problem the nodes still serve to find a manager, but no
	// swarm is made of them.
	problem string
}

// engines returns what the newest revision says of engines.
func engines(ctx context.Context, source *git.Source, root string, loader *manifests.Loader) machines {
	head, err := source.Head(ctx)
	if err != nil {
		return machines{}
	}
	return machinesOf(loader.Load(head.Tree, root))
}

// machinesOf returns what manifests say of engines. One wrong Node holds all nodes, and a manager among the others must
// still be found. So only a Node whose own engine has a problem is left out.
func machinesOf(set manifests.Set, problems []v1.Problem) (m machines) {
	if refusing := v1.Refusing(problems); len(refusing) > 0 {
		m.problem = refusing[0].String()
	}
	wrong := map[v1.Key]string{}
	for _, p := range problems {
		if wrong[p.Object] == "" && aboutEngine(p) {
			wrong[p.Object] = p.String()
		}
	}
	for _, e := range set.Entries {
		held := set.Held[e.Key()]
		if v1.OfNodes(e.Key().Kind) && m.problem == "" {
			m.problem = held
		}
		switch o := e.Object.(type) {
		case *v1.Node:
			why := wrong[e.Key()]
			if set.Cut { // the problem that holds it may be one that is not listed
				why = cmp.Or(why, held)
			}
			switch {
			case o.Spec.Engine == nil:
			case why != "":
				m.stated, m.problem = m.stated+1, cmp.Or(m.problem, why)
			default:
				m.stated, m.nodes = m.stated+1, append(m.nodes, o)
			}
		case *v1.Cluster:
			m.cluster = o
		}
	}
	return m
}

// aboutEngine reports whether a problem of a Node says that its engine may not be asked: it is about the engine, or about
// all of the spec, or a guardrail lets the source state no Node at all or none of that name.
func aboutEngine(p v1.Problem) bool {
	switch p.Path {
	case "spec", "spec.engine":
		return true
	case "kind", "metadata.name":
		return p.Holds
	}
	return strings.HasPrefix(p.Path, "spec.engine.")
}

// openQuiet opens the engine for a command that runs once. Such a command prints what it has to say, and logs only at
// level debug.
func (f *engineFlags) openQuiet(cmd *cobra.Command) (*engine.Client, logr.Logger, error) {
	log, err := f.quiet(cmd)
	if err != nil {
		return nil, log, err
	}
	c, err := f.open(cmd, log, nil)
	return c, log, err
}

func (f *engineFlags) quiet(cmd *cobra.Command) (logr.Logger, error) {
	log, err := f.logger(cmd.ErrOrStderr())
	if err == nil && f.logLevel != "debug" {
		log = logr.Discard()
	}
	return log, err
}

// logger returns a logger that writes to w. It hides whatever not everybody may see.
func (f *engineFlags) logger(w io.Writer) (logr.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return logr.Logger{}, fmt.Errorf("--log-level: %q is not one of debug, info, warn, error", f.logLevel)
	}
	if level == slog.LevelDebug {
		level = -10 // include logr's higher verbosities
	}
	w, d := behind(w)
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return attribute(d.known, a) }}
	switch f.logFormat {
	case "text":
		return logr.FromSlogHandler(slog.NewTextHandler(w, o)), nil
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(w, o)), nil
	}
	return logr.Logger{}, fmt.Errorf("--log-format: %q is not one of text, json", f.logFormat)
}

// budgetFlags limit what one revision may do without consent, and say what a problem holds.
type budgetFlags struct {
	plan.Budgets
	onProblem string
	rewritten string
	consents  consentsFlag
}

// asks reports whether a revision that drops commits waits for consent.
func (f *budgetFlags) asks() bool { return f.rewritten == "consent" }

func (f *budgetFlags) register(cmd *cobra.Command) {
	d := plan.DefaultBudgets()
	f.consents.register(cmd)
	enumFlag(cmd, cmd.Flags(), &f.onProblem, "on-problem", "", "what waits if an object has a wrong value: the object and whatever depends on it, or the whole revision", revisions.Object, revisions.Object, revisions.Whole)
	cmd.Flags().IntVar(&f.Removals, "max-removals", d.Removals, "how many objects one revision may remove without consent; to remove more than a quarter of the source's objects always needs it")
	cmd.Flags().IntVar(&f.Restarts, "max-restarts", d.Restarts, "how many services one revision may restart without consent; a tenth of the source's services never needs it")
	cmd.Flags().IntVar(&f.Rollouts, "max-rollouts", d.Rollouts, "how many services may roll out at once")
	cmd.Flags().IntVar(&f.FailedRollouts, "max-failed-rollouts", d.FailedRollouts, "how many failed roll-outs of a revision stop the rest of it")
	cmd.Flags().IntVar(&f.Drains, "max-drains", d.Drains, "how many nodes may be emptied at once")
	enumFlag(cmd, cmd.Flags(), &f.rewritten, "rewritten-history", "", "what to do if a revision takes back commits of the one in force, as after a forced push; allow reports it, consent waits for consent to rewind", "allow", "allow", "consent")
}

// check refuses numbers that would hold everything for ever, or that would be taken for another number.
func (f *budgetFlags) check() error {
	for _, b := range []struct {
		flag         string
		value, least int
	}{
		{"max-removals", f.Removals, 1},
		{"max-restarts", f.Restarts, 0},
		{"max-rollouts", f.Rollouts, 1},
		{"max-failed-rollouts", f.FailedRollouts, 1},
		{"max-drains", f.Drains, 1},
	} {
		if b.value < b.least {
			return fmt.Errorf("--%s: %d is too few; give %d or more", b.flag, b.value, b.least)
		}
	}
	return nil
}

// consentsFlag says who may agree to what can do harm.
type consentsFlag string

const (
	byCommits  = "commits"
	byCommands = "commands"
)

func (f *consentsFlag) register(cmd *cobra.Command) {
	enumFlag(cmd, cmd.Flags(), (*string)(f), "consents", "", "how people agree to a hazard: by Consent lines in commits and by commands, or by commands only", byCommits, byCommits, byCommands)
}

// commandsOnly reports whether commits agree to nothing.
func (f consentsFlag) commandsOnly() bool { return f == byCommands }

func parseConsents(texts []string) (plan.Consents, error) {
	var out plan.Consents
	for _, t := range texts {
		c, err := plan.ParseConsent(t)
		if err != nil {
			return nil, fmt.Errorf("--consent: %w", err)
		}
		out = append(out, c...)
	}
	return out.Said(who(), "with --consent"), nil
}

// printProblems lists the problems of a revision, at most limit of them.
func printProblems(w io.Writer, s screen.Screen, problems []v1.Problem) {
	const limit = 100
	for i, p := range problems {
		if i == limit {
			fmt.Fprintf(w, "… and %d more\n", len(problems)-limit)
			return
		}
		place, what := "", redact.OneLine(p.String())
		if p.File != "" {
			at := strings.Index(what, ": ") + 1
			place, what = s.Paint(screen.Title, what[:at]), what[at:]
		}
		fmt.Fprintln(w, place+what)
	}
}

// refused prints the problems of a revision that cannot be used, and returns the error.
func refused(cmd *cobra.Command, r *reconciler.Run) error {
	if r.SourceErr != nil {
		return exit{exitError, r.SourceErr}
	}
	printProblems(cmd.ErrOrStderr(), screenOf(cmd, cmd.ErrOrStderr()), r.Problems)
	return exit{exitError, fmt.Errorf("revision %s has %s and is refused whole", r.Attempted.Short(), v1.Count(len(r.Problems), "problem"))}
}
